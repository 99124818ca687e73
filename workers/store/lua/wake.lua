-- Bring the log of a run back from the archive.
-- ARGV: run id, what its field `asleep` says, event that the archive has ...
-- Returns 1; or 0 if it is awake by now.
local id = ARGV[1]
if asleep(id) ~= ARGV[2] then return 0 end
local late = redis.call('LRANGE', late_key(id), 0, -1)
-- A daemon of an earlier version does not know that runs sleep, and begins a new log.
for _, event in ipairs(redis.call('LRANGE', log_key(id), 0, -1)) do table.insert(late, event) end
redis.call('DEL', log_key(id), late_key(id))
append(id, 3)
for _, event in ipairs(late) do redis.call('RPUSH', log_key(id), event) end
redis.call('HDEL', run_key(id), 'asleep')
redis.call('HSET', run_key(id), 'version', redis.call('LLEN', log_key(id)))
redis.call('DECR', prefix .. ':asleep')
return 1
