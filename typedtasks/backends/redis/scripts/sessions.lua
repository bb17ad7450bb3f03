#!lua flags=allow-oom
-- ARGV: prefix. Returns two lists of sessions, each followed by a number: the milliseconds that its lease still runs, which may
-- be below 0; and how many entries it owns, where it owns any.
-- common.lua
local leases, held = {}, {}
local found = redis.call('ZRANGE', prefix .. 'w', 0, -1, 'WITHSCORES')
for i = 1, #found, 2 do
  leases[i], leases[i + 1] = found[i], tostring(found[i + 1] - now)
end
local sums = {}
for priority = 0, streams - 1 do
  local pending = ask('XPENDING', stream(priority), 'g')
  for _, consumer in ipairs(pending and pending[4] or {}) do
    sums[consumer[1]] = (sums[consumer[1]] or 0) + consumer[2]
  end
end
for session, number in pairs(sums) do
  table.insert(held, session)
  table.insert(held, tostring(number))
end
return { leases, held }
