#!lua flags=allow-oom
-- ARGV: prefix, session, then for each delivery 8 values: kind, priority, entry id, task id and
--   F(inish):     outcome, ttl_ms, reply_to, number of envelopes that follow (each: id, priority, delay_ms, eta_ms, body)
--   R(eschedule): body, delay_ms, eta_ms, awaited task name
--   B(ury):       outcome, ttl_ms, reply_to, reason
-- Returns 1 for each that the session owned and that is settled now, 0 for the others.
local session = ARGV[2]
local items, entries, at = {}, {}, 3
while at <= #ARGV do
  table.insert(items, at)
  table.insert(entries, { ARGV[at + 1], ARGV[at + 2] })
  at = at + 8 + (ARGV[at] == 'F' and tonumber(ARGV[at + 7]) * 5 or 0)
end
local answers = {}
if not is_alive(session) then
  for i = 1, #items do
    answers[i] = 0
  end
  return answers
end

local owned = owned_entries(session, entries)
local watched = redis.call('EXISTS', prefix .. 'watched') == 1
local cancellations = redis.call('EXISTS', prefix .. 'x') == 1
local done, pushes = {}, {}

local function push(client, id, outcome)
  if client ~= '' then
    pushes[client] = pushes[client] or {}
    local frame = #outcome <= 8192 and id .. '\n' .. #outcome .. '\n' .. outcome or id .. '\n-1\n'
    table.insert(pushes[client], frame)
  end
end

local function conclude(id, outcome, ttl, reply_to)
  redis.call('SET', prefix .. 'r:' .. id, outcome, 'PX', ttl)
  push(reply_to, id, outcome)
  if watched then
    for _, client in ipairs(redis.call('SMEMBERS', prefix .. 'watch:' .. id)) do
      if client ~= reply_to then
        push(client, id, outcome)
      end
    end
  end
  if cancellations then
    redis.call('ZREM', prefix .. 'x', id)
  end
end

local function finish(i)
  conclude(ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6])
  for follow = i + 8, i + 7 + ARGV[i + 7] * 5, 5 do
    store(ARGV[follow], ARGV[follow + 1], tonumber(ARGV[follow + 2]), tonumber(ARGV[follow + 3]), ARGV[follow + 4], '')
  end
end

local function reschedule(i)
  store(ARGV[i + 3], ARGV[i + 1], tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6]), ARGV[i + 4], ARGV[i + 7])
  if ARGV[i + 7] ~= '' then
    redis.call('HSET', prefix .. 'parked', ARGV[i + 3], ARGV[i + 7])
    redis.call('PUBLISH', prefix .. 'ctl', 'p' .. ARGV[i + 7])
  end
end

local function bury(i, deliveries)
  local entry = redis.call('XRANGE', stream(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 2])[1]
  local _, body, earlier = read_fields(entry or { '', {} })
  redis.call('HSET', prefix .. 'deadb', ARGV[i + 3], pack_entry(ARGV[i + 1], deliveries + earlier, ARGV[i + 7], body))
  redis.call('ZADD', prefix .. 'dead', now, ARGV[i + 3])
  conclude(ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6])
end

for number, i in ipairs(items) do
  local priority, entry = ARGV[i + 1], ARGV[i + 2]
  local deliveries = owned[priority .. '-' .. entry]
  if deliveries then
    owned[priority .. '-' .. entry] = nil
    done[priority] = done[priority] or {}
    table.insert(done[priority], entry)
    if ARGV[i] == 'F' then
      finish(i)
    elseif ARGV[i] == 'R' then
      reschedule(i)
    else
      bury(i, deliveries)
    end
    answers[number] = 1
  else
    answers[number] = 0
  end
end
acknowledge(done)
for client, frames in pairs(pushes) do
  redis.call('PUBLISH', 'tt:done:' .. client, table.concat(frames))
end
return answers
