-- Append what a worker did, if its fencing token and its version are the newest. All or nothing.
-- ARGV: run id, token, version, status, waiting_for,
--       release: 'keep' the lease | 'idle' until something happens | time (ms) at which it is due,
--       SHA-1 of the event at `version` or '', snapshot after the events or '', asked_at, asks (see
--       listings.lua), event ...
-- Returns {'committed', version} | {'conflict', missed event ...} | {'lost'}.
local id, token, version = ARGV[1], ARGV[2], tonumber(ARGV[3])
local status, waiting_for, release = ARGV[4], ARGV[5], ARGV[6]

if redis.call('HGET', run_key(id), 'token') ~= token then return {'lost'} end
-- The log is not the one that the caller knows: this server died and lost its last second, or took
-- over from one that had more.
local last = redis.call('LINDEX', log_key(id), version - 1)
if not last or (ARGV[7] ~= '' and redis.sha1hex(last) ~= ARGV[7]) then return {'lost'} end
local missed = redis.call('LRANGE', log_key(id), version, -1)
if #missed > 0 then
  table.insert(missed, 1, 'conflict')
  return missed
end

local now = clocks()
version = append(id, 11)
if ARGV[8] ~= '' then redis.call('SET', prefix .. ':snapshot:' .. id, ARGV[8]) end
redis.call('HSET', run_key(id), 'version', version, 'deaths', '0')
project(id, status, waiting_for, now, version, ARGV[9], ARGV[10])
if release ~= 'keep' then
  -- A new token, so that a late commit of the former holder cannot pass.
  redis.call('HINCRBY', run_key(id), 'token', 1)
  redis.call('HSET', run_key(id), 'lease_until', '0')
  redis.call('ZREM', leased_key, id)
  if release == 'idle' then redis.call('ZREM', due_key, id)
  else redis.call('ZADD', due_key, release, id) end
end
return {'committed', version}
