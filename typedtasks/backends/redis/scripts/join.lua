#!lua flags=allow-oom
-- ARGV: prefix, session, lease_ms. A priority whose stream is something foreign is left alone: the others can be read.
-- common.lua
for priority = 0, 2 do
  local made = redis.pcall('XGROUP', 'CREATE', stream(priority), 'g', '0', 'MKSTREAM')
  if made.err and not (string.find(made.err, 'BUSYGROUP', 1, true) or string.find(made.err, 'WRONGTYPE', 1, true)) then
    error(made)
  end
end
redis.call('ZADD', prefix .. 'w', now + ARGV[3], ARGV[2])
return 1
