-- Put in front of the other scripts, after common.lua: the lists in which runs are found.
--
--   <prefix>:runs                      zset  id -> created_at, all
--   <prefix>:runs:<STATUS>:<waiting_for>:<channel>:<agent>
--                                      zset  id -> created_at; <waiting_for> is that of runs that rest
--   <prefix>:lists                     set   <STATUS>:<waiting_for>:<channel>:<agent> of those of
--                                            the second kind that are not empty
--   <prefix>:origins                   set   <channel>:<agent> of all runs there ever were
--   <prefix>:runs:by:<channel>:<person>
--                                      zset  id -> created_at, those to which somebody wrote
--   <prefix>:approvals                 zset  id -> ms at which it asked for an approval
--   <prefix>:finished                  zset  id -> updated_at, runs that have ended
--   <prefix>:unread                    zset  id -> created_at, runs of which only the log says who
--                                            wrote to them, or what they ask
--   <prefix>:run:<id>, field asks      what lists show of an approval: the version at which it was
--                                      true, a space, JSON
-- Each run is in the first list and in one of the second kind. Earlier versions put it into
-- <prefix>:runs:<STATUS> instead; index.lua moves it. Until then, and while workers of both versions
-- write, whoever looks for runs looks there, too, and believes only the run itself. Nor did they keep
-- <prefix>:lists, which is not believed in the shards that they knew.
local finished_key, approvals_key = prefix .. ':finished', prefix .. ':approvals'
local lists_key = prefix .. ':lists'
local RESTING = {WAITING = true, PAUSED = true, SET_ASIDE = true}
local STATUSES = {'READY', 'WAITING', 'PAUSED', 'SET_ASIDE', 'COMPLETED', 'FAILED', 'CANCELLED'}
local REASONS = {'', 'answer', 'approval', 'event', 'time', 'retry', 'agent'}

local function person_key(person) return prefix .. ':runs:by:' .. person end
local function old_key(status) return prefix .. ':runs:' .. status end
local function list_key(name) return prefix .. ':runs:' .. name end
local function list_name(status, waiting_for, origin)
  return table.concat({status, RESTING[status] and waiting_for or '', origin}, ':')
end

-- Whether workers of an earlier version may have written here: they knew 16 shards.
local function is_old() return here <= '0f' end

local function put_in(id, created_at, name)
  redis.call('ZADD', list_key(name), created_at, id)
  redis.call('SADD', lists_key, name)
end

-- Returns 1 if it was there.
local function take_out(id, name)
  local was_there = redis.call('ZREM', list_key(name), id)
  if redis.call('EXISTS', list_key(name)) == 0 then redis.call('SREM', lists_key, name) end
  return was_there
end

-- What is to be known of a run that an earlier version listed.
local function list_old(id, created_at, origin)
  redis.call('SADD', prefix .. ':origins', origin)
  redis.call('ZADD', prefix .. ':unread', created_at, id)
end

-- List a run as one to which those wrote whose names are ARGV[first] and all after it.
local function list_people(id, created_at, first, last)
  for i = first, last do redis.call('ZADD', person_key(ARGV[i]), created_at, id) end
end

local ANY = {status = '', waiting_for = '', channel = '', agent = ''}

-- Call `use` with each list in which runs may be that have what is wished; '' is anything.
local function each_list(wish, use)
  local function fits(name, value) return wish[name] == '' or wish[name] == value end
  local function offer(name, status, reason)
    if fits('status', status) and fits('waiting_for', reason) then use(name, status) end
  end
  local function fits_origin(channel, agent) return fits('channel', channel) and fits('agent', agent) end

  if not is_old() then
    for _, name in ipairs(redis.call('SMEMBERS', lists_key)) do
      local status, reason, channel, agent = name:match('^(.-):(.-):(.-):(.*)$')
      if fits_origin(channel, agent) then offer(name, status, reason) end
    end
    return
  end
  for _, origin in ipairs(redis.call('SMEMBERS', prefix .. ':origins')) do
    if fits_origin(origin:match('^(.-):(.*)$')) then
      for _, status in ipairs(STATUSES) do
        for _, reason in ipairs(RESTING[status] and REASONS or {''}) do
          offer(list_name(status, reason, origin), status, reason)
        end
      end
    end
  end
end

-- Record status and waiting_for of a run, and move it between the lists. One that asks for an
-- approval comes with when that was (ms) and what lists show of it, both '' if that is as it was.
local function project(id, status, waiting_for, now, version, asked_at, asks)
  local run = run_key(id)
  local old = redis.call('HMGET', run, 'status', 'waiting_for', 'created_at', 'channel', 'agent')
  if old[1] ~= status or old[2] ~= waiting_for then
    local origin = old[4] .. ':' .. old[5]
    if old[1] and take_out(id, list_name(old[1], old[2] or '', origin)) == 0 then
      redis.call('ZREM', old_key(old[1]), id)
      list_old(id, old[3], origin)
    end
    put_in(id, old[3], list_name(status, waiting_for, origin))
  end
  redis.call('HSET', run, 'status', status, 'waiting_for', waiting_for, 'updated_at', int(now))
  if FINISHED[status] then redis.call('ZADD', finished_key, int(now), id)
  elseif FINISHED[old[1]] then redis.call('ZREM', finished_key, id) end
  if waiting_for == 'approval' then
    if asks and asks ~= '' then
      redis.call('HSET', run, 'asks', version .. ' ' .. asks)
      redis.call('ZADD', approvals_key, asked_at, id)
    elseif old[2] ~= 'approval' then redis.call('ZADD', approvals_key, int(now), id) end
  elseif old[2] == 'approval' then
    redis.call('HDEL', run, 'asks')
    redis.call('ZREM', approvals_key, id)
  end
end
