#!lua flags=allow-oom
-- ARGV: prefix, session, capacity, then what parked tasks wait for. Hands up to so many of them to the session, and returns them as
-- `pack_deliveries` does; -1 when the lease has ended. Those that are left wait for as long again.
-- common.lua
local session, left = ARGV[2], tonumber(ARGV[3])
if not is_alive(session) then
  return -1
end
local numbers, rows = {}, {}

-- Move a parked envelope to the stream of those that are handed out, with what it waits for: it is parked again if given back.
local function hand_over(id, awaits)
  local patience, waits_for = parking_of(id)
  local packed = waits_for == awaits and redis.call('HGET', prefix .. 'db', id)
  redis.call('ZREM', prefix .. 'a:' .. awaits, id)
  if not packed then
    return -- it was moved by a version that does not keep `a:`
  end
  local priority, deliveries, _, body = unpack_entry(packed)
  local number = priority + 3
  redis.call('XADD', stream(number), '*', 'i', id, 'b', body, 'n', deliveries, 'a', awaits, 'd', patience)
  redis.call('ZREM', prefix .. 'delay', id)
  redis.call('HDEL', prefix .. 'db', id)
  redis.call('HDEL', prefix .. 'parked', id)
  numbers[number] = true
  left = left - 1
end

for i = 4, #ARGV do
  local awaits = ARGV[i]
  if redis.call('HEXISTS', prefix .. 'await', awaits) == 1 then
    while left > 0 do
      local ids = redis.call('ZRANGE', prefix .. 'a:' .. awaits, 0, math.min(left, 1000) - 1)
      if #ids == 0 then
        break
      end
      for _, id in ipairs(ids) do
        hand_over(id, awaits)
      end
    end
    if redis.call('EXISTS', prefix .. 'a:' .. awaits) == 1 then
      redis.call('HSET', prefix .. 'await', awaits, now)
    else
      redis.call('HDEL', prefix .. 'await', awaits)
    end
  end
end
for number in pairs(numbers) do
  redis.pcall('XGROUP', 'CREATE', stream(number), 'g', '0', 'MKSTREAM')
  local found = redis.call('XREADGROUP', 'GROUP', 'g', session, 'COUNT', 100000, 'STREAMS', stream(number), '>')
  for _, entry in ipairs(found and found[1][2] or {}) do
    local id, body, earlier = read_fields(entry)
    rows[#rows + 1] = { priority = number, entry = entry[1], id = id, body = body, deliveries = earlier + 1 }
  end
end
return pack_deliveries(rows)
