-- What a reader lacks of a run.
-- ARGV: run id, code, how many events it knows, SHA-1 of the last of them or ''
-- Returns {known, snapshot or '', event ...}: see tail.lua.
return tail(ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4])
