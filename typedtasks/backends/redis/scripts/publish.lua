#!lua
-- ARGV: prefix, client, number of the batch, lowest number that the client may send again, then for each envelope:
-- "<priority> <delay_ms> <eta_ms> <id>", body; or with a key: "<priority> u <window_ms> <length of key> <delay_ms> <eta_ms> <id>",
-- "<key><body>". All are stored or none, but for those whose key another task holds. Returns a line "<place> <id of that task>"
-- for each of these; nearly always nothing.
-- The numbers that were stored are kept with the answer, so that it is safe to send the same batch again after a lost reply.
local batches = ARGV[1] .. 'bt:' .. ARGV[2]
if redis.call('HSETNX', batches, ARGV[3], '') == 0 then
  return redis.call('HGET', batches, ARGV[3])
end
if redis.call('HLEN', batches) % 32 == 0 then
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
  return ''
end
-- common.lua
local duplicates = {}
for i = at, last, 2 do
  local holder = accept(ARGV[i], ARGV[i + 1])
  if holder then
    table.insert(duplicates, (i - 5) / 2 .. ' ' .. holder)
  end
end
local answer = table.concat(duplicates, '\n')
if answer ~= '' then
  redis.call('HSET', batches, ARGV[3], answer)
end
return answer
