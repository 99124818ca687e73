-- Prolong a lease that still belongs to the caller.
-- ARGV: run id, token, lease (ms)
-- Returns the version; or 0 if the lease belongs to somebody else, or was given back.
local id, lease = ARGV[1], tonumber(ARGV[3])
if redis.call('HGET', run_key(id), 'token') ~= ARGV[2] then return 0 end
local now, lease_time = clocks()
redis.call('HSET', run_key(id), 'lease_until', int(lease_time + lease))
redis.call('ZADD', due_key, int(now + lease), id)
return redis.call('LLEN', log_key(id))
