-- Append what a person decided (pause, resume, cancel, answer), without a lease.
-- ARGV: run id, version, status, waiting_for, event, poke grace (ms), asked_at, asks (listings.lua),
--       who wrote ...
-- Returns {'appended', 1 if a worker should be poked else 0} | {'conflict', missed event ...}
--         | {'missing'} | {'asleep', field `asleep`} (asleep.lua).
local id, version, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[6])
local length = redis.call('LLEN', log_key(id))
if length == 0 or length < version then
  local mark = asleep(id)
  return mark and {'asleep', mark} or {'missing'}
end
local missed = redis.call('LRANGE', log_key(id), version, -1)
if #missed > 0 then
  table.insert(missed, 1, 'conflict')
  return missed
end
local now, lease_time = clocks()
version = redis.call('RPUSH', log_key(id), ARGV[5])
redis.call('HSET', run_key(id), 'version', version)
project(id, ARGV[3], ARGV[4], now, version, ARGV[7], ARGV[8])
if #ARGV > 8 then list_people(id, redis.call('HGET', run_key(id), 'created_at'), 9, #ARGV) end
return {'appended', mark_due(id, now, lease_time, grace)}
