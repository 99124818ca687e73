-- Compare and set.
-- KEYS: the key. ARGV: 1 if there must be no value, the value that there must be, the new one.
-- Returns 1 if it was set.
local value = redis.call('GET', KEYS[1])
if ARGV[1] == '1' then
  if value then return 0 end
elseif value ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3])
return 1
