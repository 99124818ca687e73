-- Append what a person decided (pause, resume, cancel, answer), without a lease.
-- ARGV: run id, version, status, waiting_for, event, poke grace (ms)
-- Returns {'appended', 1 if a worker should be poked else 0} | {'conflict', missed event ...}
--         | {'missing'}.
local id, version, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[6])
local length = redis.call('LLEN', log_key(id))
if length == 0 or length < version then return {'missing'} end
local missed = redis.call('LRANGE', log_key(id), version, -1)
if #missed > 0 then
  table.insert(missed, 1, 'conflict')
  return missed
end
local now, lease_time = clocks()
redis.call('HSET', run_key(id), 'version', redis.call('RPUSH', log_key(id), ARGV[5]))
project(id, ARGV[3], ARGV[4], now)
return {'appended', mark_due(id, now, lease_time, grace)}
