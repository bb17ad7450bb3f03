#!lua flags=allow-oom
-- ARGV: prefix, then task ids. A task that has ended, or is dead, is left alone; one that is delayed becomes ready, to be settled at
-- once. Which of the others are here is not known, so each gets a mark with a time (see `forget_cancellations`).
-- common.lua
forget_cancellations()
local asked = cancellation_ms()
for i = 2, #ARGV do
  local id = ARGV[i]
  if redis.call('EXISTS', prefix .. 'r:' .. id) == 0 and redis.pcall('HEXISTS', prefix .. 'deadb', id) ~= 1 then
    redis.call('ZADD', prefix .. 'x', asked + longest_cancellation, id)
    redis.call('ZADD', prefix .. 'delay', 'XX', 0, id)
    tell(prefix .. 'ctl', 'c' .. id)
  end
end
if promote() == 0 then
  tell(prefix .. 'ctl', 'd')
end
-- It goes with the last of them, also where no worker clears it; and soon where nothing is here that could be meant.
local is_empty = redis.call('ZCARD', prefix .. 'delay') == 0
for number = 0, streams - 1 do
  is_empty = is_empty and redis.pcall('XLEN', stream(number)) == 0
end
redis.call('PEXPIRE', prefix .. 'x', is_empty and on_its_way or longest_cancellation)
return untold and redis.error_reply(untold) or 1
