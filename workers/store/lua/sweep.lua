-- Find the runs that a worker must look at now, and make each due again only after a grace period.
-- So only one of any number of sweepers takes it up.
-- ARGV: limit, grace (ms), '0' to leave those whose lease has expired to their owners,
--       '1' to keep the time in any case
-- Returns {clock, ms at which the next run is due or '', how many are held, run id ...}: with the
-- first three, redis_due.py knows how long this shard needs no further look.
local now, lease_time = clocks(ARGV[4] ~= '1')
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due_key, '-inf', int(now), 'LIMIT', 0, ARGV[1])) do
  local left = lease_left(id, lease_time)
  if left > 0 then redis.call('ZADD', due_key, int(now + left), id)
  else
    redis.call('ZADD', due_key, int(now + ARGV[2]), id)
    local expired = (redis.call('HGET', run_key(id), 'lease_until') or '0') ~= '0'
    if ARGV[3] ~= '0' or not expired then table.insert(found, id) end
  end
end
local next_due = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')[2] or ''
local held = redis.call('ZCARD', leased_key)
return {redis.call('GET', prefix .. ':clock'), next_due, held, unpack(found)}
