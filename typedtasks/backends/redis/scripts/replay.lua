#!lua
-- ARGV: prefix, then task ids. Makes dead letters ready again, deletes their outcomes, and returns how many were found.
-- common.lua
local found = 0
for i = 2, #ARGV do
  local packed = redis.call('HGET', prefix .. 'deadb', ARGV[i])
  if packed then
    local priority, _, _, body = unpack_entry(packed)
    redis.call('ZREM', prefix .. 'dead', ARGV[i])
    redis.call('HDEL', prefix .. 'deadb', ARGV[i])
    redis.call('DEL', prefix .. 'r:' .. ARGV[i])
    append(priority, ARGV[i], body, 0, false)
    found = found + 1
  end
end
return found
