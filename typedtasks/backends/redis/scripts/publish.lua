#!lua
-- ARGV: prefix, token, then for each envelope: "<priority> <delay_ms> <eta_ms> <id>", body. Returns how many were stored: all or none.
-- The token makes it safe to send the same batch again after a lost reply.
if not redis.call('SET', prefix .. 'bt:' .. ARGV[2], 1, 'NX', 'PX', 60000) then
  return 0
end
for i = 3, #ARGV, 2 do
  local priority, delay, eta, id = string.match(ARGV[i], '^(%d) (%d+) (%d+) (.*)$')
  store(id, priority, tonumber(delay), tonumber(eta), ARGV[i + 1], '')
end
return (#ARGV - 2) / 2
