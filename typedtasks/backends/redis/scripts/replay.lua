#!lua
-- ARGV: prefix, then task ids. Makes dead letters ready again, deletes their outcomes, and returns the ids that were there.
-- common.lua
-- What follows the first write is checked before it: a task must not be ready while it still is a dead letter, or be neither.
redis.call('ZREM', prefix .. 'dead', nothing)
redis.call('HDEL', prefix .. 'deadb', nothing)
redis.call('DEL', prefix .. 'none')
redis.call('ZREM', prefix .. 'x', nothing)
local found = {}
for i = 2, #ARGV do
  local packed = redis.call('HGET', prefix .. 'deadb', ARGV[i])
  if packed then
    local priority, _, _, body = unpack_entry(packed)
    append(priority, ARGV[i], body, 0, false)
    redis.call('ZREM', prefix .. 'dead', ARGV[i])
    redis.call('HDEL', prefix .. 'deadb', ARGV[i])
    redis.call('DEL', prefix .. 'r:' .. ARGV[i])
    redis.call('ZREM', prefix .. 'x', ARGV[i])
    table.insert(found, ARGV[i])
  end
end
return found
