-- Put in front of the scripts that read a run: what a caller lacks who can go on from a snapshot.
--
-- A snapshot, <prefix>:snapshot:<id>, is a string: "<version> <SHA-1 of the event at it> <code>\n"
-- and what its writer holds to be true there. It is never the truth: one that does not fit the log,
-- or that other code wrote, is passed over, and it may be gone at any moment.

-- Returns {known, snapshot or '', event ...}. The caller knows the first `known` events, by itself or
-- from the snapshot; the first event returned is the last of these. With 0 all events are returned.
local function tail(id, code, known, last)
  local function fits(version, sha)
    local event = version > 0 and version < 1e9 and redis.call('LINDEX', log_key(id), version - 1)
    return event and redis.sha1hex(event) == sha
  end
  local snapshot = ''
  if not fits(known, last) then
    known = 0
    local kept = code ~= '' and redis.pcall('GET', prefix .. ':snapshot:' .. id)
    if type(kept) == 'string' then
      local version, sha, by = kept:sub(1, 200):match('^(%d+) (%x+) (%w+)\n')
      if by == code and fits(tonumber(version), sha) then known, snapshot = tonumber(version), kept end
    end
  end
  local reply = redis.call('LRANGE', log_key(id), math.max(known, 1) - 1, -1)
  table.insert(reply, 1, snapshot)
  table.insert(reply, 1, known)
  return reply
end

