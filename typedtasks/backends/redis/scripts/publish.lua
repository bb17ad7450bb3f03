#!lua
-- ARGV: prefix, token, then for each envelope: id, priority, delay_ms, eta_ms, body. Returns how many were stored: all or none.
-- The token makes it safe to send the same batch again after a lost reply.
if not redis.call('SET', prefix .. 'bt:' .. ARGV[2], 1, 'NX', 'PX', 60000) then
  return 0
end
for i = 3, #ARGV, 5 do
  store(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4], '')
end
return (#ARGV - 2) / 5
