-- Count runs by status. Returns {status, how many, ...}.
local counts, origins = {}, redis.call('SMEMBERS', prefix .. ':origins')
for _, status in ipairs(STATUSES) do 
  counts[status] = here > '0f' and 0 or redis.call('ZCARD', old_key(status))
end
each_list(STATUSES, REASONS, origins, function(key, status)
  counts[status] = counts[status] + redis.call('ZCARD', key)
end)
local reply = {}
for _, status in ipairs(STATUSES) do
  table.insert(reply, status)
  table.insert(reply, counts[status])
end
return reply
