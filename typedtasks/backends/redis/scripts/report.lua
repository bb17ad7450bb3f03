#!lua
-- ARGV: prefix, session, then for each delivery "<stream> <entry id> <ttl in ms> <task id>" and how far it has come.
-- Returns one character for each: 1 when the session owned it and what it says is kept now, else 0.
-- common.lua
local session = ARGV[2]
local entries, rows = {}, {}
for at = 3, #ARGV, 2 do
  local priority, entry, ttl, id = string.match(ARGV[at], '^(%d) (%S+) (%d+) (.*)$')
  entries[#entries + 1] = { priority, entry }
  rows[#rows + 1] = { place = priority .. '-' .. entry, ttl = ttl, id = id, body = ARGV[at + 1] }
end
local owned = is_alive(session) and owned_entries(session, entries) or {}
local answers = {}
for number, row in ipairs(rows) do
  if owned[row.place] then
    redis.call('SET', prefix .. 'p:' .. row.id, row.body, 'PX', row.ttl)
  end
  answers[number] = owned[row.place] and '1' or '0'
end
return table.concat(answers)
