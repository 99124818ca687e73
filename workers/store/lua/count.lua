-- Count runs by status. Returns {status, how many, ...}.
local counts = {}
for _, status in ipairs(STATUSES) do
  counts[status] = is_old() and redis.call('ZCARD', old_key(status)) or 0
end
each_list(ANY, function(name, status)
  counts[status] = counts[status] + redis.call('ZCARD', list_key(name))
end)
local reply = {}
for _, status in ipairs(STATUSES) do
  table.insert(reply, status)
  table.insert(reply, counts[status])
end
return reply
