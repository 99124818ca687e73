-- Put in front of the scripts that touch a log, after listings.lua: runs whose log is elsewhere.
--
--   <prefix>:run:<id>, field asleep   "<n> <digest>": the first n events are in the archive, and
--                                     nothing is left of them here; the digest is the reader's
--   <prefix>:late:<id>                list  the events after those
--   <prefix>:asleep                   string  how many runs are asleep
-- Only admissions append while a run is asleep, so none waits for the archive. Whoever wants anything
-- else wakes the run first. None is asleep whose log key exists.
local function late_key(id) return prefix .. ':late:' .. id end

-- Nil if the run is awake, or there is none. Asked only where a log is not there.
local function asleep(id) return redis.call('HGET', run_key(id), 'asleep') or nil end

-- The field `asleep`, and all events that came since.
local function since(id, mark)
  local events = redis.call('LRANGE', late_key(id), 0, -1)
  table.insert(events, 1, mark)
  return events
end

-- Append an event to the log of a run that may be asleep. Returns the version, and 1 if it is.
local function append_anywhere(id, event)
  local version = redis.call('RPUSHX', log_key(id), event)
  if version > 0 then return version end
  local mark = asleep(id)
  if not mark then return redis.call('RPUSH', log_key(id), event) end
  return tonumber(mark:match('^%d+')) + redis.call('RPUSH', late_key(id), event), 1
end
