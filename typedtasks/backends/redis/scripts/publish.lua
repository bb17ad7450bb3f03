#!lua
-- ARGV: prefix, client, number of the batch, lowest number that the client may send again, then for each envelope:
-- "<priority> <delay_ms> <eta_ms> <id>", body. Returns how many were stored: all or none.
-- The numbers that were stored are kept, so that it is safe to send the same batch again after a lost reply.
local batches = ARGV[1] .. 'bt:' .. ARGV[2]
if redis.call('HSETNX', batches, ARGV[3], 1) == 0 then
  return 0
end
if ARGV[3] % 32 == 0 then
  for _, number in ipairs(redis.call('HKEYS', batches)) do
    if tonumber(number) < tonumber(ARGV[4]) then
      redis.call('HDEL', batches, number)
    end
  end
end
redis.call('PEXPIRE', batches, 60000)
local at, last = 5, #ARGV
while at <= last and string.sub(ARGV[at], 2, 6) == ' 0 0 ' do -- nearly all: ready at once
  local head = ARGV[at]
  redis.call('XADD', ARGV[1] .. 's' .. string.sub(head, 1, 1), '*', 'i', string.sub(head, 7), 'b', ARGV[at + 1])
  at = at + 2
end
if at > last then
  return (last - 4) / 2
end
-- common.lua
for i = at, last, 2 do
  local priority, delay, eta, id = string.match(ARGV[i], '^(%d) (%d+) (%d+) (.*)$')
  store(id, priority, tonumber(delay), tonumber(eta), ARGV[i + 1], '')
end
return (last - 4) / 2
