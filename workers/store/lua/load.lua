-- Read a part of a log. ARGV: run id, from, to, as LRANGE counts.
-- Returns {event ...}; or, of a run that is asleep, its field `asleep` and all that came since.
local events = redis.call('LRANGE', log_key(ARGV[1]), ARGV[2], ARGV[3])
local mark = #events == 0 and asleep(ARGV[1])
return mark and {since(ARGV[1], mark)} or events
