-- Record what somebody read in the log of a run that an earlier version wrote.
-- ARGV: run id, version that was read, asked_at, asks (see listings.lua), who wrote ...
local id, version = ARGV[1], ARGV[2]
local run = redis.call('HMGET', run_key(id), 'created_at', 'version', 'waiting_for')
redis.call('ZREM', prefix .. ':unread', id)
if not run[1] then return 0 end
list_people(id, run[1], 5, #ARGV)
if ARGV[4] ~= '' and run[2] == version and run[3] == 'approval' then
  redis.call('HSET', run_key(id), 'asks', version .. ' ' .. ARGV[4])
  redis.call('ZADD', approvals_key, ARGV[3], id)
end
return 1
