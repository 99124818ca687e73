-- Take the lease of a run if it is due and nobody holds it.
-- ARGV: run id, lease (ms), owner
-- Returns {token, now (ms), event ...}, or nil if it is held or not due.
local id, lease, owner = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local now, lease_time = clocks()
if not redis.call('ZSCORE', due_key, id) or lease_left(id, lease_time) > 0 then return nil end
local token = redis.call('HINCRBY', run_key(id), 'token', 1)
redis.call('HSET', run_key(id), 'lease_until', int(lease_time + lease), 'owner', owner)
redis.call('ZADD', due_key, int(now + lease), id)
redis.call('ZADD', leased_key, int(now), id)
local reply = redis.call('LRANGE', log_key(id), 0, -1)
table.insert(reply, 1, int(now))
table.insert(reply, 1, token)
return reply
