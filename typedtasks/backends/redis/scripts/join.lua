#!lua flags=allow-oom
-- ARGV: prefix, session, lease_ms.
-- common.lua
for priority = 0, 2 do
  redis.pcall('XGROUP', 'CREATE', stream(priority), 'g', '0', 'MKSTREAM')
end
redis.call('ZADD', prefix .. 'w', now + ARGV[3], ARGV[2])
return 1
