-- Put in front of the other scripts, before common.lua: what time it is in this shard.
--
-- The server's clock may be set, and the server may be away. So each shard keeps two clocks of its
-- own in <prefix>:clock, "<server's time when it was written> <now> <lease time>" (ms):
--   now         the time in all events, waits and lists. It follows the server's clock forth, but
--               never goes back: it then goes on from where it was, a tenth slower, until the
--               server's clock has caught up.
--   lease time  what leases count in. It goes on only while scripts run: no gap between two of
--               them counts for more than LONGEST_GAP. So no lease ends while the server is away,
--               and none ends early or late because its clock was set.
local LONGEST_GAP = 1000
local BUSY = 250  -- ms after which a clock is written again

-- Whether nobody counts in this shard: nothing is held, and nothing is due by `now`.
local function is_idle(now)
  return redis.call('ZCARD', KEYS[1] .. ':leased') == 0
    and redis.call('ZCOUNT', KEYS[1] .. ':due', '-inf', now) == 0
end

-- The server's time, ms.
local function server_time()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Returns now and the lease time. Who `only_looks` leaves the clock while it agrees with the
-- server's and nobody counts in it.
local function clocks(only_looks)
  local server = server_time()
  local key = KEYS[1] .. ':clock'
  local seen, now, lease_time = (redis.call('GET', key) or ''):match('^(%d+) (%d+) (%d+)$')
  local elapsed
  if seen then
    elapsed = server - seen
    local gap = math.min(math.max(elapsed, 0), LONGEST_GAP)
    now, lease_time = math.max(server, now + gap - math.floor(gap / 10)), lease_time + gap
  else now, lease_time = server, server end
  if not seen or elapsed < 0
    or elapsed >= BUSY and not (only_looks and now == server and is_idle(now)) then
    redis.call('SET', key, string.format('%d %d %d', server, now, lease_time))
  end
  return now, lease_time
end

