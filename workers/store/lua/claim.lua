-- Take the lease of a run if it is due and nobody holds it.
-- ARGV: run id, lease (ms), owner, code of whose snapshots it can go on
-- Returns {token, now (ms), deaths, known, snapshot or '', event ...}: see tail.lua; or nil if it is
-- held, not due, or rests now; or {field `asleep`} (asleep.lua). Then it is looked at again after a
-- while, if whoever asked cannot wake it.
-- `deaths` is how many holders in a row did not give it back and committed nothing since. After
-- more than a few the run rests, for longer each time, before it is claimed again.
-- workers/store/deaths.py says the same.
local MANY_DEATHS, FREE, LONGEST, AWAY = 10, 2, 3600, 10000
local id, lease, owner = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local now, lease_time = clocks()
-- In ms. Runs whose holder died rest for different times, so that they do not all share the next
-- death, too.
local function rest_after(deaths)
  if deaths <= FREE then return 0 end
  local share = (tonumber(id:sub(-4), 16) or 0) * (2 * deaths + 1) % 65536
  return math.floor(1000 * math.min(2 ^ (deaths - 2), LONGEST) * (0.5 + share / 65536))
end

if not redis.call('ZSCORE', due_key, id) or lease_left(id, lease_time) > 0 then return nil end
local found = redis.call('HMGET', run_key(id), 'lease_until', 'deaths', 'asleep')
if found[3] then
  redis.call('ZADD', due_key, int(now + AWAY), id)
  return {found[3]}
end
local deaths = tonumber(found[2] or '0')
if (found[1] or '0') ~= '0' then  -- whoever held it did not give it back
  deaths = deaths + 1
  local rest = rest_after(deaths)
  redis.call('HSET', run_key(id), 'deaths', deaths)
  if rest > 0 then
    redis.call('HSET', run_key(id), 'lease_until', '0')
    redis.call('ZREM', leased_key, id)
    redis.call('ZADD', due_key, int(now + rest), id)
    if deaths > MANY_DEATHS then project(id, 'SET_ASIDE', '', now, 0) end
    return nil
  end
end
local token = redis.call('HINCRBY', run_key(id), 'token', 1)
redis.call('HSET', run_key(id), 'lease_until', int(lease_time + lease), 'owner', owner)
redis.call('ZADD', due_key, int(now + lease), id)
redis.call('ZADD', leased_key, int(now), id)
local reply = tail(id, ARGV[4], 0, '')
table.insert(reply, 1, deaths)
table.insert(reply, 1, int(now))
table.insert(reply, 1, token)
return reply
