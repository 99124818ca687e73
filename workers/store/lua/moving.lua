-- Put in front of some scripts, after common.lua: an old shard from which the store moves
-- (redis_layout.py). The mark that it is closed makes the move safe: where a script found nothing of
-- a message, none ever will.
local closed_key = prefix .. ':closed'

-- Let nothing begin in this shard. `again` if something was stored in it, all the same.
local function close(again)
  local now = string.format('%d', server_time())
  if again then redis.call('SET', closed_key, now) else redis.call('SET', closed_key, now, 'NX') end
end
local function is_closed() return here < '10' and redis.call('EXISTS', closed_key) == 1 end

