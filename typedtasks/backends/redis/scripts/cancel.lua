#!lua flags=allow-oom
-- ARGV: prefix, then task ids. A task that has ended is left alone; one that is delayed becomes ready, to be settled at once.
-- common.lua
local kept = 30 * 86400000 -- so long may a task wait for a worker and still be cancelled then
for i = 2, #ARGV do
  local id = ARGV[i]
  if redis.call('EXISTS', prefix .. 'r:' .. id) == 0 then
    redis.call('ZADD', prefix .. 'x', now + kept, id)
    redis.call('ZADD', prefix .. 'delay', 'XX', 0, id)
    redis.call('PUBLISH', prefix .. 'ctl', 'c' .. id)
  end
end
redis.call('PEXPIRE', prefix .. 'x', kept) -- it goes with the last of them, also where no worker clears it
if promote() == 0 then
  redis.call('PUBLISH', prefix .. 'ctl', 'd')
end
return 1
