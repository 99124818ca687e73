-- Replace a checkpoint.
-- ARGV: its name, 1 if it must have no value, the value that it must have, the new one,
--       'look' if it must not begin in this shard, or 'open'
-- Returns 1 if it was replaced, 0 if it had another value, -1 if it is in the shard to which this one
-- moved, or belongs there.
local checkpoint = prefix .. ':checkpoint:' .. ARGV[1]
local value = redis.call('GET', checkpoint)
if not value and (ARGV[5] == 'look' or is_closed()) then
  close()
  return -1
end
if ARGV[2] == '1' then
  if value then return 0 end
elseif value ~= ARGV[3] then
  return 0
end
redis.call('SET', checkpoint, ARGV[4])
return 1
