-- Compare and set.
-- KEYS: the key. ARGV: 1 if there must be no value, the value that there must be, the new one, and
-- the ms for which it is kept, if that has an end.
-- Returns 1 if it was set.
local value = redis.call('GET', KEYS[1])
if ARGV[1] == '1' then
  if value then return 0 end
elseif value ~= ARGV[2] then
  return 0
end
if ARGV[4] then redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
else redis.call('SET', KEYS[1], ARGV[3]) end
return 1
