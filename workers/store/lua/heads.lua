-- Read fields of runs. ARGV: how many fields, field ..., run id ...
-- Returns for each run a list of its values.
local fields = {unpack(ARGV, 2, 1 + ARGV[1])}
local rows = {}
for i = 2 + ARGV[1], #ARGV do
  table.insert(rows, redis.call('HMGET', run_key(ARGV[i]), unpack(fields)))
end
return rows
