#!lua flags=allow-oom
-- ARGV: prefix, then task ids. Deletes dead letters and returns the ids that were there.
-- common.lua
local found = {}
for i = 2, #ARGV do
  if redis.call('HDEL', prefix .. 'deadb', ARGV[i]) == 1 then
    redis.call('ZREM', prefix .. 'dead', ARGV[i])
    table.insert(found, ARGV[i])
  end
end
return found
