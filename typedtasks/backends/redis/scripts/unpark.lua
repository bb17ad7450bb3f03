#!lua flags=allow-oom
-- ARGV: prefix, session, capacity, then what parked tasks wait for. Hands up to so many of them to the session, and returns them as
-- `pack_deliveries` does; -1 when the lease has ended. Those that are left wait for as long again.
-- common.lua
local session, left = ARGV[2], tonumber(ARGV[3])
if not is_alive(session) then
  return -1
end
local numbers, rows = {}, {}

-- Whatever is behind the first write is checked before it: what has left its place must be handed out.
local function check_handing_over()
  check_delayed()
  redis.call('HDEL', prefix .. 'parked', nothing)
  redis.call('XADD', prefix .. 'none', 'NOMKSTREAM', '*', 'i', '')
  ask('XREADGROUP', 'GROUP', 'g', session, 'COUNT', 1, 'STREAMS', prefix .. 'none', '>')
  local made = redis.pcall('XGROUP', 'CREATE', prefix .. 'none', 'g', '0')
  if not string.find(made.err, 'requires the key to exist', 1, true) then
    error(made)
  end
  for number = 3, streams - 1 do
    redis.call('XLEN', stream(number))
  end
end

-- Move a parked envelope to the stream of those that are handed out, with what it waits for: it is parked again if given back.
local function hand_over(id, awaits)
  local patience, waits_for = parking_of(id)
  local packed = waits_for == awaits and redis.call('HGET', prefix .. 'db', id)
  if not packed then
    redis.call('ZREM', prefix .. 'a:' .. awaits, id)
    return -- it was moved by a version that does not keep `a:`
  end
  local priority, deliveries, _, body = unpack_entry(packed)
  local number = priority + 3
  redis.call('XADD', stream(number), '*', 'i', id, 'b', body, 'n', deliveries, 'a', awaits, 'd', patience)
  redis.call('ZREM', prefix .. 'a:' .. awaits, id)
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
      if not next(numbers) then
        check_handing_over()
      end
      for _, id in ipairs(ids) do
        hand_over(id, awaits)
      end
    end
    -- What was taken has to be handed out, whatever becomes of this.
    local are_left = redis.pcall('EXISTS', prefix .. 'a:' .. awaits)
    if are_left == 1 then
      redis.pcall('HSET', prefix .. 'await', awaits, now)
    elseif are_left == 0 then
      redis.pcall('HDEL', prefix .. 'await', awaits)
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
