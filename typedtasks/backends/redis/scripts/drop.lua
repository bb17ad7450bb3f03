#!lua flags=allow-oom
-- ARGV: prefix, then task ids. Deletes dead letters and returns the ids that were there.
-- common.lua
redis.call('HDEL', prefix .. 'deadb', nothing) -- raises now what it would raise when a part of the work is done
local found = {}
for i = 2, #ARGV do
  redis.call('ZREM', prefix .. 'dead', ARGV[i])
  if redis.call('HDEL', prefix .. 'deadb', ARGV[i]) == 1 then
    table.insert(found, ARGV[i])
  end
end
return found
