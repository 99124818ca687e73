-- What a reader lacks of a run.
-- ARGV: run id, code, how many events it knows, SHA-1 of the last of them or ''
-- Returns {known, snapshot or '', event ...}: see tail.lua; or, of a run that is asleep, what load.lua
-- says.
local found = tail(ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4])
local mark = #found == 2 and asleep(ARGV[1])
return mark and {since(ARGV[1], mark)} or found
