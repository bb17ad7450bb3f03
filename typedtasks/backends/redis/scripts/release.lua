#!lua flags=allow-oom
-- ARGV: prefix, session, then for each delivery: priority, entry id. Returns one character for each: 1 when it was given back.
-- common.lua
local entries, answers, done = {}, {}, {}
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
    local task, body, earlier, cancelled = read_fields(entry)
    cancelled = cancelled or (cancellations and redis.call('ZSCORE', prefix .. 'x', task))
    append(priority, task, body, earlier + deliveries - 1, cancelled)
    done[priority] = done[priority] or {}
    table.insert(done[priority], id)
  end
  answers[number] = entry and '1' or '0'
end
acknowledge(done)
return table.concat(answers)
