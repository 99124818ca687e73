-- Find runs in the order of their lists.
-- ARGV: 'runs', newest first, or 'approvals': those that ask for one, the first asked first;
--       time (ms) and run id after which to go on, or ''; how many to find; how many to look at;
--       status, waiting_for, agent, channel, '<channel>:<person>' that is wanted, '' for any
-- Returns {1 if there are no more, time and id up to which it looked, and for each run: time, id,
-- 1 if only its log says whether the person wrote to it}. A run that a worker of an earlier version
-- has taken on may be among them, and not be wanted.
local kind, after, after_id = ARGV[1], ARGV[2], ARGV[3]
local most, looks = tonumber(ARGV[4]), tonumber(ARGV[5])
local status, waiting_for, agent, channel, person = unpack(ARGV, 6, 10)
local newest = kind == 'runs'
local BITE = 64

-- Whether `a` comes before `b`. Ids are compared by their bytes: Lua's own order is the locale's.
local function before(a, b)
  if a.time ~= b.time then return (a.time > b.time) == newest end
  for i = 1, math.min(#a.id, #b.id) do
    local x, y = a.id:byte(i), b.id:byte(i)
    if x ~= y then return (x > y) == newest end
  end
  return #a.id ~= #b.id and (#a.id > #b.id) == newest
end

-- A list is read by rank: first one entry, then as many as are wanted, then bites. It stands at `time` and `id`; after its
-- last entry `id` is nil.
local function step(list)
  list.at = list.at + 2
  if list.at > #list.some then
    local last = list.rank + list.bite - 1
    list.some = redis.call(newest and 'ZREVRANGE' or 'ZRANGE', list.key, list.rank, last,
      'WITHSCORES')
    list.rank, list.bite, list.at = last + 1, list.bite == 1 and math.min(most, BITE) or BITE, 1
  end
  list.id, list.time = list.some[list.at], tonumber(list.some[list.at + 1])
end

-- The rank after `after` and `after_id`; of those with this time it is searched by halves.
local function rank_of(key)
  if after == '' then return 0 end
  local low = newest and redis.call('ZCOUNT', key, '(' .. after, '+inf')
    or redis.call('ZCOUNT', key, '-inf', '(' .. after)
  local high = low + redis.call('ZCOUNT', key, after, after)
  local seen = {time = 0, id = after_id}
  while low < high do
    local middle = math.floor((low + high) / 2)
    local there = redis.call(newest and 'ZREVRANGE' or 'ZRANGE', key, middle, middle)
    if before(seen, {time = 0, id = there[1]}) then high = middle else low = middle + 1 end
  end
  return low
end

local unread_key, WAITS = prefix .. ':unread', {'WAITING', 'PAUSED', 'SET_ASIDE'}
local lists = {}

-- `holds`: all that is in it has the status, waiting_for, agent and channel that are wanted.
local function open(key, holds)
  local list = {key = key, holds = holds, rank = rank_of(key), bite = 1, some = {}, at = 1}
  step(list)
  if list.id then table.insert(lists, list) end
end

local function open_all(keys)
  for _, one in ipairs(keys) do open(one.key, one.holds) end
end

local function length(keys)
  local sum = 0
  for _, one in ipairs(keys) do sum = sum + redis.call('ZCARD', one.key) end
  return sum
end

-- Lists of an earlier version: what is in them may be wanted.
local function unlisted(statuses)
  local keys = {}
  if not is_old() then return keys end
  for _, one in ipairs(statuses) do table.insert(keys, {key = old_key(one), holds = false}) end
  return keys
end

local function by_kind()
  local keys, wish = {}, {status = status, waiting_for = waiting_for, channel = channel, agent = agent}
  each_list(wish, function(name) table.insert(keys, {key = list_key(name), holds = true}) end)
  local statuses = status ~= '' and {status} or waiting_for ~= '' and WAITS or STATUSES
  for _, one in ipairs(unlisted(statuses)) do table.insert(keys, one) end
  return keys
end

local function by_person()
  local keys = unlisted(STATUSES)
  table.insert(keys, {key = unread_key, holds = false})
  table.insert(keys, {key = person_key(person), holds = false})
  return keys
end

local any_kind = status == '' and waiting_for == '' and agent == '' and channel == ''
if kind == 'approvals' then
  open(approvals_key, true)
  open_all(unlisted(WAITS))
elseif person == '' and any_kind then open(prefix .. ':runs', true)
elseif person == '' then open_all(by_kind())
elseif any_kind then open_all(by_person())
else
  local these, those = by_kind(), by_person()
  open_all(length(these) < length(those) and these or those)
end

-- 0 if the run is wanted, 1 if its log must be asked, nil if it is not.
local function fits(list)
  local unread = 0
  if person ~= '' and not redis.call('ZSCORE', person_key(person), list.id) then
    unread = 1
  end
  if not list.holds then
    local run = redis.call('HMGET', run_key(list.id), 'status', 'waiting_for', 'agent', 'channel')
    for i, wish in ipairs({status, waiting_for, agent, channel}) do
      if not run[1] or (wish ~= '' and run[i] ~= wish) then return nil end
    end
    if unread == 1 and redis.call('ZSCORE', old_key(run[1]), list.id) then return 1 end
  end
  return (unread == 0 or redis.call('ZSCORE', unread_key, list.id)) and unread or nil
end

local used, next_list = {}, 1
table.sort(lists, before)

-- The list that goes on, of those that were read from and the next that was not.
local function first()
  local best
  for _, list in ipairs(used) do
    if list.id and (not best or before(list, best)) then best = list end
  end
  local other = lists[next_list]
  if other and (not best or before(other, best)) then
    best, next_list = other, next_list + 1
    table.insert(used, best)
  end
  return best
end

local found, seen = {1, after, after_id}, {}
for looked = 0, math.huge do
  local list = first()
  if not list then return found end
  if #found >= 3 * most + 3 or looked >= looks then
    found[1] = 0
    return found
  end
  found[2], found[3] = int(list.time), list.id
  local verdict = not seen[list.id] and fits(list)
  if verdict then
    local size = #found
    found[size + 1], found[size + 2], found[size + 3] = int(list.time), list.id, verdict
  end
  seen[list.id] = true
  step(list)
end
