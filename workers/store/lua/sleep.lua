-- Drop the log of a run that waits, once the archive has it.
-- ARGV: run id, version, SHA-1 of the event at it, field `asleep` (asleep.lua), ms for which it may
-- not be due
-- Returns 1; or 0 if the run does not wait, is held, is due within that time, sleeps already, or has
-- another log.
local id, version = ARGV[1], tonumber(ARGV[2])
local run = redis.call('HMGET', run_key(id), 'status', 'lease_until', 'asleep')
local due, last = redis.call('ZSCORE', due_key, id), redis.call('LINDEX', log_key(id), -1)
if (run[1] ~= 'WAITING' and run[1] ~= 'PAUSED') or (run[2] or '0') ~= '0' or run[3] or not last
  or redis.call('LLEN', log_key(id)) ~= version or redis.sha1hex(last) ~= ARGV[3]
  or (due and tonumber(due) <= clocks(true) + ARGV[5]) then return 0 end
redis.call('HSET', run_key(id), 'asleep', ARGV[4])
redis.call('DEL', log_key(id), prefix .. ':snapshot:' .. id)
redis.call('INCR', prefix .. ':asleep')
return 1
