#!lua flags=allow-oom
-- ARGV: prefix, session. Ends the session; a consumer that still has entries stays for `recover`.
-- common.lua
redis.call('ZREM', prefix .. 'w', ARGV[2])
for priority = 0, streams - 1 do
  local rows = redis.pcall('XPENDING', stream(priority), 'g', '-', '+', 1, ARGV[2])
  if not rows.err and #rows == 0 then
    redis.call('XGROUP', 'DELCONSUMER', stream(priority), 'g', ARGV[2])
  elseif not rows.err or priority < 3 then
    tell(prefix .. 'ctl', 'l')
  end
end
return untold and redis.error_reply(untold) or 1
