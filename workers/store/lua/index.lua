-- Put runs that an earlier version stored into the lists of today. ARGV: how many at most.
-- Returns how many it moved.
local left = tonumber(ARGV[1])
for _, old_status in ipairs(STATUSES) do
  local ids = left > 0 and redis.call('ZRANGE', old_key(old_status), 0, left - 1) or {}
  for _, id in ipairs(ids) do
    local run = redis.call('HMGET', run_key(id), 'created_at', 'status', 'waiting_for', 'channel',
      'agent')
    local created_at, status, waiting_for, channel, agent = unpack(run)
    redis.call('ZREM', old_key(old_status), id)
    if created_at then
      local origin = channel .. ':' .. agent
      put_in(id, created_at, list_name(status, waiting_for or '', origin))
      list_old(id, created_at, origin)
      if waiting_for == 'approval' then redis.call('ZADD', approvals_key, 'NX', created_at, id) end
    end
  end
  left = left - #ids
end
return ARGV[1] - left
