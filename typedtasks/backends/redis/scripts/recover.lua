#!lua flags=allow-oom
-- ARGV: prefix, session, capacity, then how many deliveries of each stream the session has in hand.
-- Takes over what belongs to sessions without a lease, forgets those sessions, and finds own entries that are not in hand.
-- Returns -1 when the lease has ended, else five things: deliveries taken over, as `pack_deliveries` writes them; own pending
-- entries, as stream and entry id, of each stream where their number is not what the session has in hand; own tasks whose
-- cancellation was asked for, because the news of it may have been lost; the milliseconds until the next lease of another
-- session ends, -1 where there is none; and what parked tasks wait for. A sixth says what is wrong, where something is: of the other
-- streams the rest is found.
-- common.lua
local session, left = ARGV[2], tonumber(ARGV[3])
if not is_alive(session) then
  return -1
end
redis.call('ZREMRANGEBYSCORE', prefix .. 'w', '-inf', now)
local problem = failure_of(forget_cancellations)
local cancellations = redis.call('EXISTS', prefix .. 'x') == 1
local taken, own, cancelled_ids = {}, {}, {}

-- Take over up to `left` entries of a dead session, and return whether it has none any more. What was deleted from the stream is
-- forgotten, and takes nobody's room.
local function take(priority, dead)
  while true do
    local rows = redis.call('XPENDING', stream(priority), 'g', '-', '+', math.max(1, math.min(left, 1000)), dead)
    if #rows == 0 or left == 0 then
      return #rows == 0
    end
    local ids, earlier = {}, {}
    for i, row in ipairs(rows) do
      ids[i] = row[1]
      earlier[row[1]] = row[4]
    end
    for _, entry in ipairs(redis.call('XCLAIM', stream(priority), 'g', session, 0, unpack(ids))) do
      if entry then
        local id, body, before, cancelled, unmet = read_fields(entry)
        cancelled = cancelled or (cancellations and is_cancelled(id))
        local deliveries = earlier[entry[1]] + before + 1
        table.insert(
          taken,
          {
            priority = priority,
            entry = entry[1],
            id = id,
            body = body,
            deliveries = deliveries,
            cancelled = cancelled,
            unmet = unmet,
          }
        )
        earlier[entry[1]] = nil
        left = left - 1
      end
    end
    for gone in pairs(earlier) do
      redis.call('XACK', stream(priority), 'g', gone)
    end
  end
end

-- Note the tasks among own entries whose cancellation was asked for: however many were asked for, only these are looked up.
local function look_for_cancellations(priority)
  for _, row in ipairs(redis.call('XPENDING', stream(priority), 'g', '-', '+', 100000, session)) do
    local entry = redis.call('XRANGE', stream(priority), row[1], row[1])[1]
    local id = entry and read_fields(entry)
    if id and is_cancelled(id) then
      cancelled_ids[#cancelled_ids + 1] = id
    end
  end
end

local function look(priority)
  doing = 'XINFO, XGROUP, XPENDING, XCLAIM, XACK, XRANGE or ZSCORE'
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream(priority), 'g')
  if consumers.err then
    if priority < 3 and created_group(consumers, priority) then
      return
    end
    consumers = ask('XINFO', 'CONSUMERS', stream(priority), 'g') or {}
  end
  for _, consumer in ipairs(consumers) do
    local name, pending = consumer[2], consumer[4]
    if name == session then
      if cancellations and pending > 0 then
        look_for_cancellations(priority)
      end
      if pending ~= tonumber(ARGV[4 + priority]) then
        for _, row in ipairs(redis.call('XPENDING', stream(priority), 'g', '-', '+', 100000, session)) do
          table.insert(own, priority)
          table.insert(own, row[1])
        end
      end
    elseif not redis.call('ZSCORE', prefix .. 'w', name) then
      local emptied = pending == 0
      if not emptied and left > 0 then
        emptied = take(priority, name)
      end
      if emptied then
        redis.call('XGROUP', 'DELCONSUMER', stream(priority), 'g', name)
      end
    end
  end
end

for priority = 0, streams - 1 do
  problem = failure_of(look, priority) or problem
end
local leases, next_end = redis.call('ZRANGE', prefix .. 'w', 0, 1, 'WITHSCORES'), -1
for i = 1, #leases, 2 do
  if leases[i] ~= session and next_end < 0 then
    next_end = math.min(leases[i + 1] - now, 86400000)
  end
end
local awaited = redis.pcall('HKEYS', prefix .. 'await')
return { pack_deliveries(taken), own, cancelled_ids, next_end, awaited.err and {} or awaited, problem }
