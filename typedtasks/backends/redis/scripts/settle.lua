#!lua flags=allow-oom
-- ARGV: prefix, session, then for each delivery "<kind> <stream> <entry id> <a> <b> <task id>" and a body, where
--   F(inish):     a is the outcome's time to live in ms, b the number of envelopes that follow; the body is
--                 "<length of reply_to> <reply_to><outcome>"; each envelope has two values more, as in publish.lua
--   R(eschedule): a is delay_ms, b eta_ms; the body is "<length of what it awaits> <that><envelope>"
--   B(ury):       a is the time to live; the body is as with F; the next value is the reason
-- Returns one character for each: 1 when the session owned it and it is settled now; 0 when it did not own it, or the task had another
-- outcome already, which stays; e when that failed, and the session still owns it. A line with the first failure follows where there
-- was one; it may be no more than news that could not be published.
-- An outcome is committed by the first write of it and never replaced, and the pending list, which is the fence, is left last. So what
-- fails on the way can be settled again, here or by whoever takes the delivery over.
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

local problems, refused = {}, {} -- of whole priorities; of single items
local owned = owned_entries(session, entries, problems)
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

-- Commit an outcome, unless there is one, and push the one that stands.
local function conclude(item)
  local key, outcome = prefix .. 'r:' .. item.id, item.body
  doing = 'SET or MGET'
  if not redis.call('SET', key, outcome, 'PX', item.a, 'NX') then
    local earlier = redis.call('MGET', key)[1]
    if earlier then
      item.is_late = earlier ~= outcome
      outcome = earlier
    else
      redis.call('SET', key, outcome, 'PX', item.a) -- no outcome, but something foreign that is no string
    end
  end
  push(item.text, item.id, outcome)
  if watched then
    local watching = redis.pcall('SMEMBERS', prefix .. 'watch:' .. item.id)
    for _, client in ipairs(watching.err and {} or watching) do
      if client ~= item.text then
        push(client, item.id, outcome)
      end
    end
  end
  if cancellations then
    redis.pcall('ZREM', prefix .. 'x', item.id)
  end
end

-- What follows is stored before the outcome: where that is there, so is what follows.
local function finish(item)
  doing = 'MGET'
  if item.b > 0 and not redis.call('MGET', prefix .. 'r:' .. item.id)[1] then
    for follow = item.next, item.next + 2 * item.b - 2, 2 do
      accept(ARGV[follow], ARGV[follow + 1])
    end
  end
  conclude(item)
end

local function stored(item)
  doing = 'XRANGE'
  local found = redis.call('XRANGE', stream(item.priority), item.entry, item.entry)[1]
  return read_fields(found or { '', {} })
end

local function reschedule(item)
  local priority, delay = priority_of(item.priority), tonumber(item.a)
  if cancellations and is_cancelled(item.id) then
    append(priority, item.id, item.body, 0, true) -- it is not run again: the next worker settles it at once
    return
  end
  local key = free_key('db', item.id, item.priority, item.entry)
  if item.text == '' then
    store(key, priority, delay, item.b, item.body, '', 0)
  else
    local _, _, earlier = stored(item) -- to be parked is no execution: it counts as often delivered as before
    park(key, priority, delay, item.b, item.body, item.text, earlier + owned[item.place] - 1)
  end
end

local function bury(item)
  local _, body, earlier = stored(item)
  local key = free_key('deadb', item.id, item.priority, item.entry)
  local packed = pack_entry(priority_of(item.priority), owned[item.place] + earlier, ARGV[item.next], body)
  doing = 'HSET or ZADD'
  redis.call('HSET', prefix .. 'deadb', key, packed)
  redis.call('ZADD', prefix .. 'dead', now, key)
  conclude(item)
end

-- Whatever writes more than an outcome is checked as a whole before it begins.
local function check_moving(priority)
  doing = 'XADD'
  redis.call('XADD', prefix .. 'none', 'NOMKSTREAM', '*', 'i', '')
  check_acknowledging(priority)
  check_delayed()
end

local function check_burying(priority)
  doing = 'ZADD, HDEL, SET or MGET'
  redis.call('ZADD', prefix .. 'dead', 'XX', 0, nothing)
  redis.call('HDEL', prefix .. 'deadb', nothing)
  redis.call('SET', prefix .. 'none', '', 'XX')
  redis.call('MGET', prefix .. 'none')
  check_acknowledging(priority)
end

local checked = {}
local function checked_once(check, priority)
  local key = tostring(check) .. priority
  if checked[key] == nil then
    checked[key] = failure_of(check, priority) or false
  end
  if checked[key] then
    doing = nil
    error({ err = checked[key] })
  end
end

local function settle(item)
  if item.kind == 'F' then
    if item.b > 0 then
      checked_once(check_moving, item.priority)
    end
    finish(item)
  elseif item.kind == 'R' then
    checked_once(check_moving, item.priority)
    reschedule(item)
  else
    checked_once(check_burying, item.priority)
    bury(item)
  end
end

local number = 1
local function settle_following()
  while number <= #items do
    local item = items[number]
    item.place = item.priority .. '-' .. item.entry
    if problems[item.priority] then
      refused[number] = problems[item.priority]
    elseif owned[item.place] then
      settle(item)
      item.is_done = true
      owned[item.place] = nil
      done[item.priority] = done[item.priority] or {}
      table.insert(done[item.priority], item.entry)
    end
    number = number + 1
  end
end
while number <= #items do -- from the one behind each that fails
  local failed = failure_of(settle_following)
  if failed then
    refused[number] = failed
    number = number + 1
  end
end
for priority, ids in pairs(done) do
  problems[priority] = failure_of(acknowledge, priority, ids)
end
for client, frames in pairs(pushes) do
  tell('tt:done:' .. client, table.concat(frames))
end
local answers, problem = {}, untold
for place, item in ipairs(items) do
  local failed = refused[place] or item.is_done and problems[item.priority]
  problem = failed or problem
  answers[place] = failed and 'e' or item.is_done and not item.is_late and '1' or '0'
end
return table.concat(answers) .. (problem and '\n' .. problem or '')
