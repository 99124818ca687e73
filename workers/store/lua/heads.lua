-- Read fields of runs, whose keys are KEYS. ARGV: the fields.
-- Returns for each run a list of its values.
local rows = {}
for i, run in ipairs(KEYS) do rows[i] = redis.call('HMGET', run, unpack(ARGV)) end
return rows
