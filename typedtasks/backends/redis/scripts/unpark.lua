#!lua flags=allow-oom
-- ARGV: prefix, then task names. Makes the tasks ready that are parked for one of them, and returns how many those were.
-- common.lua
if redis.call('EXISTS', prefix .. 'parked') == 0 then
  return 0
end
local known, count = {}, 0
for i = 2, #ARGV do
  known[ARGV[i]] = true
end
local parked = redis.call('HGETALL', prefix .. 'parked')
for i = 1, #parked, 2 do
  if known[parked[i + 1]] then
    redis.call('ZADD', prefix .. 'delay', 'XX', 0, parked[i])
    count = count + 1
  end
end
if promote() == 0 then
  redis.call('PUBLISH', prefix .. 'ctl', 'd')
end
return count
