#!lua flags=allow-oom
-- ARGV: prefix, 1 for dead letters or 0 for what waits. Deletes them and returns how many there were.
-- common.lua
if ARGV[2] == '1' then
  local dead = redis.call('ZCARD', prefix .. 'dead')
  redis.call('DEL', prefix .. 'dead', prefix .. 'deadb')
  return dead
end
local purged = redis.call('ZCARD', prefix .. 'delay')
for _, awaits in ipairs(redis.call('HKEYS', prefix .. 'await')) do
  redis.call('DEL', prefix .. 'a:' .. awaits)
end
redis.call('DEL', prefix .. 'delay', prefix .. 'db', prefix .. 'parked', prefix .. 'await')
for priority = 0, 2 do
  -- What no worker has read yet stands behind the last entry that the group delivered.
  local groups = ask('XINFO', 'GROUPS', stream(priority)) or {}
  local delivered = '0-0'
  for _, group in ipairs(groups) do
    if group[2] == 'g' then
      delivered = group[8]
    end
  end
  while true do
    local entries = redis.call('XRANGE', stream(priority), '(' .. delivered, '+', 'COUNT', 1000)
    if #entries == 0 then
      break
    end
    local ids = {}
    for _, entry in ipairs(entries) do
      table.insert(ids, entry[1])
    end
    purged = purged + redis.call('XDEL', stream(priority), unpack(ids))
  end
end
return purged
