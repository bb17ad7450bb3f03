#!lua flags=allow-oom
-- ARGV: prefix, session, then for each delivery "<kind> <stream> <entry id> <a> <b> <task id>" and a body, where
--   F(inish):     a is the outcome's time to live in ms, b the number of envelopes that follow; the body is
--                 "<length of reply_to> <reply_to><outcome>"; each envelope has two values more, as in publish.lua
--   R(eschedule): a is delay_ms, b eta_ms; the body is "<length of what it awaits> <that><envelope>"
--   B(ury):       a is the time to live; the body is as with F; the next value is the reason
-- Returns one character for each: 1 when the session owned it and it is settled now, else 0.
-- common.lua
local session = ARGV[2]
local items, entries, at = {}, {}, 3
while at <= #ARGV do
  local kind, priority, entry, a, b, id = string.match(ARGV[at], '^(%a) (%d) (%S+) (%d+) (%d+) (.*)$')
  local length, from = string.match(ARGV[at + 1], '^(%d+) ()')
  local item = { kind = kind, priority = priority, entry = entry, a = a, b = tonumber(b), id = id, next = at + 2 }
  item.text = string.sub(ARGV[at + 1], from, from + length - 1)
  item.body = string.sub(ARGV[at + 1], from + length)
  items[#items + 1] = item
  entries[#entries + 1] = { priority, entry }
  at = at + 2 + (kind == 'F' and 2 * item.b or kind == 'B' and 1 or 0)
end
if not is_alive(session) then
  return string.rep('0', #items)
end

local owned = owned_entries(session, entries)
local watched = redis.call('EXISTS', prefix .. 'watched') == 1
local cancellations = redis.call('EXISTS', prefix .. 'x') == 1
local answers, done, pushes = {}, {}, {}

local function push(client, id, outcome)
  if client ~= '' then
    pushes[client] = pushes[client] or {}
    local frame = #outcome <= 8192 and id .. '\n' .. #outcome .. '\n' .. outcome or id .. '\n-1\n'
    table.insert(pushes[client], frame)
  end
end

local function conclude(item)
  redis.call('SET', prefix .. 'r:' .. item.id, item.body, 'PX', item.a)
  push(item.text, item.id, item.body)
  if watched then
    for _, client in ipairs(redis.call('SMEMBERS', prefix .. 'watch:' .. item.id)) do
      if client ~= item.text then
        push(client, item.id, item.body)
      end
    end
  end
  if cancellations then
    redis.call('ZREM', prefix .. 'x', item.id)
  end
end

local function finish(item)
  conclude(item)
  for follow = item.next, item.next + 2 * item.b - 2, 2 do
    accept(ARGV[follow], ARGV[follow + 1])
  end
end

local function stored(item)
  local found = redis.call('XRANGE', stream(item.priority), item.entry, item.entry)[1]
  return read_fields(found or { '', {} })
end

local function reschedule(item, deliveries)
  local priority, delay = priority_of(item.priority), tonumber(item.a)
  if cancellations and redis.call('ZSCORE', prefix .. 'x', item.id) then
    append(priority, item.id, item.body, 0, true) -- it is not run again: the next worker settles it at once
    return
  end
  local key = free_key('db', item.id, item.priority, item.entry)
  if item.text == '' then
    store(key, priority, delay, item.b, item.body, '', 0)
  else
    local _, _, earlier = stored(item) -- to be parked is no execution: it counts as often delivered as before
    park(key, priority, delay, item.b, item.body, item.text, earlier + deliveries - 1)
  end
end

local function bury(item, deliveries)
  local _, body, earlier = stored(item)
  local key = free_key('deadb', item.id, item.priority, item.entry)
  redis.call('HSET', prefix .. 'deadb', key, pack_entry(priority_of(item.priority), deliveries + earlier, ARGV[item.next], body))
  redis.call('ZADD', prefix .. 'dead', now, key)
  conclude(item)
end

for number, item in ipairs(items) do
  local place = item.priority .. '-' .. item.entry
  local deliveries = owned[place]
  if deliveries then
    owned[place] = nil
    done[item.priority] = done[item.priority] or {}
    table.insert(done[item.priority], item.entry)
    if item.kind == 'F' then
      finish(item)
    elseif item.kind == 'R' then
      reschedule(item, deliveries)
    else
      bury(item, deliveries)
    end
  end
  answers[number] = deliveries and '1' or '0'
end
acknowledge(done)
for client, frames in pairs(pushes) do
  redis.call('PUBLISH', 'tt:done:' .. client, table.concat(frames))
end
return table.concat(answers)
