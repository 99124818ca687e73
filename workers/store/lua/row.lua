-- Put a row into a table, or take it out.
-- KEYS: the prefix of the table, which is the hash tag of all that is kept of it:
--   <prefix>:rows     hash  key -> value
--   <prefix>:order    zset  "<order> <key>", all with the score 0
--   <prefix>:counted  hash  key -> "<order> <name> <count> <name> <count> …"
--   <prefix>:sums     hash  name -> sum of the counts of all rows
-- ARGV: the key; then nothing, or order, value, and name and count of each count.
local prefix, key = KEYS[1], ARGV[1]
local rows, order = prefix .. ':rows', prefix .. ':order'
local counted, sums = prefix .. ':counted', prefix .. ':sums'

local words = {}
for word in string.gmatch(redis.call('HGET', counted, key) or '', '%S+') do
  words[#words + 1] = word
end
if #words > 0 then redis.call('ZREM', order, words[1] .. ' ' .. key) end
for i = 2, #words, 2 do
  local less = string.format('%d', -words[i + 1])  -- Lua would print "-0"
  if redis.call('HINCRBY', sums, words[i], less) == 0 then
    redis.call('HDEL', sums, words[i])
  end
end
if #ARGV == 1 then
  redis.call('HDEL', rows, key)
  redis.call('HDEL', counted, key)
  return
end
redis.call('HSET', rows, key, ARGV[3])
redis.call('ZADD', order, 0, ARGV[2] .. ' ' .. key)
words = {ARGV[2]}
for i = 4, #ARGV, 2 do
  redis.call('HINCRBY', sums, ARGV[i], ARGV[i + 1])
  words[#words + 1] = ARGV[i] .. ' ' .. ARGV[i + 1]
end
redis.call('HSET', counted, key, table.concat(words, ' '))
