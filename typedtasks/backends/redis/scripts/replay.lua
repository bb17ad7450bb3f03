#!lua
-- ARGV: prefix, then task ids. Makes dead letters ready again, deletes their outcomes, and returns the ids that were there.
-- common.lua
local found = {}
for i = 2, #ARGV do
  local packed = redis.call('HGET', prefix .. 'deadb', ARGV[i])
  if packed then
    local priority, _, _, body = unpack_entry(packed)
    redis.call('ZREM', prefix .. 'dead', ARGV[i])
    redis.call('HDEL', prefix .. 'deadb', ARGV[i])
    redis.call('DEL', prefix .. 'r:' .. ARGV[i])
    redis.call('ZREM', prefix .. 'x', ARGV[i])
    append(priority, ARGV[i], body, 0, false)
    table.insert(found, ARGV[i])
  end
end
return found
