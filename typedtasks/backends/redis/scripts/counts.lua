#!lua flags=allow-oom
-- ARGV: prefix. Returns ready, running, delayed, parked, dead.
-- common.lua
local entries, running = 0, 0
for priority = 0, streams - 1 do
  entries = entries + redis.call('XLEN', stream(priority))
  local pending = ask('XPENDING', stream(priority), 'g')
  running = running + (pending and pending[1] or 0)
end
local parked = redis.call('HLEN', prefix .. 'parked') -- they are among the delayed ones too
return {
  entries - running,
  running,
  redis.call('ZCARD', prefix .. 'delay') - parked,
  parked,
  redis.call('ZCARD', prefix .. 'dead'),
}
