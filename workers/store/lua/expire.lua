-- Forget a run that has ended, unless something happens to it.
-- ARGV: run id, version, who wrote to it ...
-- Returns 1; or 0 if it has not ended, is held, is due, or has another version.
local id, version = ARGV[1], tonumber(ARGV[2])
local run = redis.call('HMGET', run_key(id), 'status', 'conversation_key', 'channel', 'agent',
  'waiting_for')
local status, conversation_key = run[1], prefix .. ':conversation:' .. (run[2] or '')
local _, lease_time = clocks()
if not FINISHED[status] or lease_left(id, lease_time) > 0 or redis.call('ZSCORE', due_key, id)
  or redis.call('LLEN', log_key(id)) ~= version then return 0 end

if redis.call('GET', conversation_key) == id then redis.call('DEL', conversation_key) end
local lists = {prefix .. ':runs', prefix .. ':unread', finished_key, approvals_key,
  old_key(status)}
for i = 3, #ARGV do table.insert(lists, person_key(ARGV[i])) end
for _, key in ipairs(lists) do redis.call('ZREM', key, id) end
take_out(id, list_name(status, run[5] or '', run[3] .. ':' .. run[4]))
redis.call('DEL', run_key(id), log_key(id), prefix .. ':snapshot:' .. id)
return 1
