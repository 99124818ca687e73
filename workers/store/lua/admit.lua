-- Store one message exactly once.
-- ARGV: agent, agent_version, channel, conversation, conversation key, new run id,
--       message_received event, trigger ttl (ms), poke grace (ms), 1 to begin a run only,
--       'open', 'look' to begin no run in this shard, or 'force' to begin one though it is closed,
--       the other shards in which nothing was known of the message ('0c ...'),
--       name of a checkpoint or '', 1 if it must have no value, the value that it must have, the new
--       one, digest or '', what it may `end`, number of trigger keys, trigger key ..., number of
--       people, who wrote ..., event that a new run begins with ...
-- Returns {run id, 'launched' | 'appended' | 'duplicate' | 'conflict' | 'taken' | 'stale', 1 if a
-- worker should be poked else 0, 1 if the run is asleep}; or, where nothing was stored because the
-- store moves (see redis_admissions.py), {run id, 'moved' | 'elsewhere', 0}: it belongs into the shard
-- to which this one moved, or the shard of that run must be asked.
local agent, agent_version, channel, conversation = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local conversation_key = prefix .. ':conversation:' .. ARGV[5]
local new_id, received, ttl, grace = ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])
local only_new, way, looked = ARGV[10] == '1', ARGV[11], ARGV[12]
local digest, ends, last_key = ARGV[17], ARGV[18], 19 + ARGV[19]
local last_person = last_key + 1 + ARGV[last_key + 1]

local function is_elsewhere(id)
  local there = id:sub(1, 2)
  return there ~= here and not looked:find(there, 1, true)
end
-- A repeat comes here, too, and is sent on as this one is.
local function send_on(id)
  for i = 20, last_key do redis.call('SET', prefix .. ':trigger:' .. ARGV[i], id, 'PX', ttl) end
  return {id, 'elsewhere', 0}
end

local checkpoint = ARGV[13] ~= '' and prefix .. ':checkpoint:' .. ARGV[13]
local value = checkpoint and redis.call('GET', checkpoint)
local function move_on()
  close()
  if value then redis.call('RENAME', checkpoint, prefix .. ':moved:' .. ARGV[13]) end
  return {new_id, 'moved', 0}
end
if checkpoint then
  if way == 'look' and not value then return move_on() end
  if (ARGV[14] == '1' and value) or (ARGV[14] ~= '1' and value ~= ARGV[15]) then
    return {new_id, 'stale', 0}
  end
end
local function proceed(id)
  if checkpoint then redis.call('SET', checkpoint, (ARGV[16]:gsub('{run}', id))) end
end

for i = 20, last_key do
  local seen = redis.call('GET', prefix .. ':trigger:' .. ARGV[i])
  if seen and is_elsewhere(seen) then return {seen, 'elsewhere', 0} end
  -- The first delivery may have died before its poke: a repeat that finds the run due pokes again.
  if seen and seen:sub(1, 2) == here then
    local other = digest ~= '' and redis.call('GET', prefix .. ':digest:' .. ARGV[i])
    if other and other ~= digest then return {seen, 'conflict', 0} end
    proceed(seen)
    return {seen, 'duplicate', redis.call('ZSCORE', due_key, seen) and 1 or 0}
  end
end

local id, outcome = redis.call('GET', conversation_key), 'appended'
if id and is_elsewhere(id) then return send_on(id) end
local exists = id and redis.call('EXISTS', run_key(id)) == 1
if exists and only_new then return {id, 'taken', 0} end
if not exists and way ~= 'force' then
  if way == 'look' or is_closed() then return move_on() end
  if new_id:sub(1, 2) ~= here then  -- a run of before the move comes back from the archive
    redis.call('SET', conversation_key, new_id)
    return send_on(new_id)
  end
end
if way ~= 'open' then close(true) end
local now, lease_time = clocks()
if not exists then
  id, outcome = new_id, 'launched'
  redis.call('SET', conversation_key, id)
  redis.call('HSET', run_key(id), 'agent', agent, 'agent_version', agent_version,
    'channel', channel, 'conversation', conversation, 'conversation_key', ARGV[5],
    -- An archived run may come back under its id. The time as its first token is greater than any
    -- token of its former life, so no late commit from then can pass.
    'token', int(now), 'lease_until', '0', 'created_at', int(now))
  append(id, last_person + 1)
  redis.call('ZADD', prefix .. ':runs', int(now), id)
  redis.call('SADD', prefix .. ':origins', channel .. ':' .. agent)
end

local version, late = append_anywhere(id, received)
redis.call('HSET', run_key(id), 'version', version)
-- The only projection that nobody computed by folding the log: what a run waited for is over, and it
-- is READY unless a person paused it; or all is as before. (A test compares this with the reducer.)
local known = redis.call('HMGET', run_key(id), 'status', 'waiting_for', 'created_at')
if exists and ends ~= '' and ends ~= known[2] then project(id, known[1], known[2], now, version)
else project(id, known[1] == 'PAUSED' and 'PAUSED' or 'READY', '', now, version) end
list_people(id, known[3], last_key + 2, last_person)

proceed(id)
for i = 20, last_key do
  redis.call('SET', prefix .. ':trigger:' .. ARGV[i], id, 'PX', ttl)
  if digest ~= '' then redis.call('SET', prefix .. ':digest:' .. ARGV[i], digest, 'PX', ttl) end
end
return {id, outcome, mark_due(id, now, lease_time, grace), late}
