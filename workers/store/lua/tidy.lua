-- Take runs out of the lists in which a worker of an earlier version left them.
-- ARGV: list, time (ms), and how many entries from there on; or nothing
-- Returns the time from which to go on, or nil at the end; without arguments, all lists.
if #ARGV == 0 then
  local lists = {approvals_key}
  each_list(ANY, function(name)
    local key = list_key(name)
    if redis.call('EXISTS', key) == 1 then table.insert(lists, key) end
  end)
  return lists
end
local key, most = ARGV[1], tonumber(ARGV[3])
local some = redis.call('ZRANGEBYSCORE', key, ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, most)
for i = 1, #some, 2 do
  local run = redis.call('HMGET', run_key(some[i]), 'status', 'waiting_for', 'channel', 'agent')
  local name = run[1] and list_name(run[1], run[2] or '', run[3] .. ':' .. run[4])
  local is_there = name and (key == list_key(name)
    or (key == approvals_key and run[2] == 'approval'))
  if not is_there then redis.call('ZREM', key, some[i]) end
end
local last = some[#some]
if #some < 2 * most then return nil end
return last == some[2] and int(last + 1) or last
