#!lua
-- ARGV: prefix, client, number of the batch, lowest number that the client may send again, then for each envelope:
-- "<priority> <delay_ms> <eta_ms> <id>", body. Returns how many were stored: all or none.
-- The numbers that were stored are kept, so that it is safe to send the same batch again after a lost reply.
local batches = prefix .. 'bt:' .. ARGV[2]
if redis.call('HSETNX', batches, ARGV[3], 1) == 0 then
  return 0
end
if redis.call('HLEN', batches) > 32 then
  for _, number in ipairs(redis.call('HKEYS', batches)) do
    if tonumber(number) < tonumber(ARGV[4]) then
      redis.call('HDEL', batches, number)
    end
  end
end
redis.call('PEXPIRE', batches, 60000)
local streams = { ['0'] = stream(0), ['1'] = stream(1), ['2'] = stream(2) }
for i = 5, #ARGV, 2 do
  local head = ARGV[i]
  if string.sub(head, 2, 6) == ' 0 0 ' then -- nearly all: ready at once
    redis.call('XADD', streams[string.sub(head, 1, 1)], '*', 'i', string.sub(head, 7), 'b', ARGV[i + 1])
  else
    local priority, delay, eta, id = string.match(head, '^(%d) (%d+) (%d+) (.*)$')
    store(id, priority, tonumber(delay), tonumber(eta), ARGV[i + 1], '')
  end
end
return (#ARGV - 4) / 2
