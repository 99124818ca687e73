-- Close this shard for whatever is new, and take a checkpoint out of it.
-- ARGV: its name, if there is one
-- Returns its value.
close()
if not ARGV[1] then return nil end
local checkpoint, moved = prefix .. ':checkpoint:' .. ARGV[1], prefix .. ':moved:' .. ARGV[1]
if redis.call('EXISTS', checkpoint) == 1 then redis.call('RENAME', checkpoint, moved) end
return redis.call('GET', moved)
