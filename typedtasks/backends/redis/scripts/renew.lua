#!lua flags=allow-oom
-- ARGV: prefix, session, lease_ms. Returns 1, or 0 when the lease had ended.
-- common.lua
if not is_alive(ARGV[2]) then
  return 0
end
redis.call('ZADD', prefix .. 'w', 'XX', now + ARGV[3], ARGV[2])
return 1
