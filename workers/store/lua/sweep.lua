-- Find the runs that a worker must look at now, and make each due again only after a grace period.
-- So only one of any number of sweepers takes it up.
-- ARGV: limit, grace (ms)
-- Returns the run ids.
local now = now_ms()
local ids = redis.call('ZRANGEBYSCORE', due_key, '-inf', int(now), 'LIMIT', 0, ARGV[1])
for _, id in ipairs(ids) do redis.call('ZADD', due_key, int(now + ARGV[2]), id) end
return ids
