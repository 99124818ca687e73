-- Shared by the other scripts: this file is put in front of each of them.
--
-- KEYS[1] is always the prefix of the shard, for example '{ponderd:2a.4f}' (see shards.py). It is
-- the hash tag of every key that a script touches, so all of them are on one node of a Redis Cluster:
--   <prefix>:run:<id>                 hash  agent, agent_version, channel, conversation,
--                                           conversation_key, status, waiting_for, version, token,
--                                           owner, lease_until (ms of the lease time), deaths,
--                                           created_at, updated_at (ms); see clock.lua
--   <prefix>:log:<id>                 list  the events, oldest first; its length is the version
--   <prefix>:snapshot:<id>            string  what a fold of the log may begin with; see tail.lua
--   <prefix>:conversation:<key>       string  the id of the run, which may be in another shard
--   <prefix>:trigger:<key>            string  the id of the run to which a trigger went, or of one
--                                           in another shard, which must be asked; expires
--   <prefix>:checkpoint:<name>        string  how far somebody has come
--   <prefix>:digest:<key>             string  what tells a repeat of it from another message; expires
--   <prefix>:due                      zset  id -> ms at which a worker must look at the run:
--                                           poke grace, lease expiry or end of a durable sleep
--   <prefix>:leased                   zset  id -> ms since which the run is held
--   <prefix>:closed                   string  no run begins here any more, because the store moves;
--                                           the server's time (ms) when a
--                                           message was stored last
--   <prefix>:moved:<name>             string  a checkpoint on its way to another shard
-- and the lists of runs, see listings.lua.
local prefix = KEYS[1]
local due_key, leased_key = prefix .. ':due', prefix .. ':leased'
local FINISHED = {COMPLETED = true, FAILED = true, CANCELLED = true}
local namespace, here = prefix:match('^{(.*):(%x%x)[.%x]*}$')  -- `here` begins the ids of its runs
local news_channel = namespace .. ':news'

local function run_key(id) return prefix .. ':run:' .. id end
local function log_key(id) return prefix .. ':log:' .. id end

-- Numbers are written as integers: Lua would print large ones as 1.7e+12.
local function int(number) return string.format('%d', number) end

-- Append ARGV[first] and all after it to the log. Returns the version. Works in bites of 1,000,
-- because Lua's unpack takes only some thousand values.
local function append(id, first)
  for i = first, #ARGV, 1000 do
    redis.call('RPUSH', log_key(id), unpack(ARGV, i, math.min(i + 999, #ARGV)))
  end
  return redis.call('LLEN', log_key(id))
end

-- How many ms of its lease are left; 0 or less if nobody holds the run.
local function lease_left(id, lease_time)
  return tonumber(redis.call('HGET', run_key(id), 'lease_until') or '0') - lease_time
end

-- Make a worker look at a run. Returns 1 if somebody should be poked, 0 if a worker holds the run.
-- A run that nobody holds becomes due when the grace of its poke ends. One that is held stays due at
-- the end of its lease: its holder meets the new event when it commits, or hears of it.
local function mark_due(id, now, lease_time, grace)
  if lease_left(id, lease_time) > 0 then
    redis.pcall('PUBLISH', news_channel, id)  -- only a hint: without the right to publish, go on
    return 0
  end
  redis.call('ZADD', due_key, int(now + grace), id)
  return 1
end
