#!lua flags=allow-oom
-- ARGV: prefix, session, then for each delivery: stream, entry id. Returns one character for each: 1 when it was given back. What
-- `unpark` had handed out is parked again.
-- common.lua
local entries, answers = {}, {}
for i = 3, #ARGV, 2 do
  table.insert(entries, { ARGV[i], ARGV[i + 1] })
end
local cancellations = redis.call('EXISTS', prefix .. 'x') == 1
local owned = is_alive(ARGV[2]) and owned_entries(ARGV[2], entries) or {}
for number, named in ipairs(entries) do
  local priority, id = named[1], named[2]
  local deliveries = owned[priority .. '-' .. id]
  local entry = deliveries and redis.call('XRANGE', stream(priority), id, id)[1]
  if entry then
    owned[priority .. '-' .. id] = nil
    local task, body, earlier, cancelled, unmet, awaits, patience = read_fields(entry)
    cancelled = cancelled or (cancellations and is_cancelled(task))
    local before = earlier + deliveries - 1
    check_acknowledging(priority)
    if awaits and not cancelled then
      check_delayed()
      park(free_key('db', task, priority, id), priority_of(priority), tonumber(patience) or 0, 0, body, awaits, before)
    else
      append(priority_of(priority), task, body, before, cancelled, unmet)
    end
    acknowledge(priority, { id })
  end
  answers[number] = entry and '1' or '0'
end
return table.concat(answers)
