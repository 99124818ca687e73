-- Store one message exactly once.
-- ARGV: agent, agent_version, channel, conversation, conversation key, new run id, run_launched event,
--       message_received event, trigger ttl (ms), poke grace (ms), trigger key ...
-- Returns {run id, 'launched' | 'appended' | 'duplicate', 1 if somebody should be poked else 0}.
local agent, agent_version, channel, conversation = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local conversation_key = prefix .. ':conversation:' .. ARGV[5]
local new_id, launched, received = ARGV[6], ARGV[7], ARGV[8]
local ttl, grace = ARGV[9], tonumber(ARGV[10])

for i = 11, #ARGV do
  local seen = redis.call('GET', prefix .. ':trigger:' .. ARGV[i])
  -- The poke may have died with the first delivery: a repeat that finds the run due pokes again.
  if seen then return {seen, 'duplicate', redis.call('ZSCORE', due_key, seen) and 1 or 0} end
end

local now = now_ms()
local id, outcome = redis.call('GET', conversation_key), 'appended'
if not id then
  id, outcome = new_id, 'launched'
  redis.call('SET', conversation_key, id)
  redis.call('HSET', run_key(id), 'agent', agent, 'agent_version', agent_version,
    'channel', channel, 'conversation', conversation, 'token', '0', 'lease_until', '0',
    'created_at', int(now))
  redis.call('RPUSH', log_key(id), launched)
  redis.call('ZADD', prefix .. ':runs', int(now), id)
end

local version = redis.call('RPUSH', log_key(id), received)
redis.call('HSET', run_key(id), 'version', version)
-- The only projection that is not a fold by a worker: a message makes any run READY, unless a
-- person paused it (a test holds this against the reducer).
if redis.call('HGET', run_key(id), 'status') ~= 'PAUSED' then project(id, 'READY', '', now) end

for i = 11, #ARGV do redis.call('SET', prefix .. ':trigger:' .. ARGV[i], id, 'PX', ttl) end
return {id, outcome, mark_due(id, now, grace)}
