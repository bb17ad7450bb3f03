-- What other scripts share, put where they say so. ARGV[1] is the prefix `tt:{queue}:`; every key is made from it, so all are in one slot.
-- KEYS[1] is one of them, which tells a cluster where the script belongs. Payloads are never parsed here.
local prefix = ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Streams 0 to 2 hold what is ready or runs, by priority. Streams 3 to 5 hold what `unpark` has handed to a session, also by priority:
-- nobody waits for new entries there, and the script that adds one hands it out.
local function stream(number)
  return prefix .. 's' .. number
end
local streams = 6

local function priority_of(number)
  return number % 3
end

local nothing = '\0' -- a member or field that nobody has

local doing -- which commands are on their way: Redis says so only of errors that end a script

-- Return an error as the text of a reply.
local function text_of(raised)
  if type(raised) == 'table' then
    return raised.err .. (doing and ' (' .. doing .. ')' or '')
  end
  return 'ERR ' .. tostring(raised)
end

-- Return what a part raised, as the text of a reply; nothing where it did its work. It is for parts that must not spoil the rest.
local function failure_of(part, first, second)
  local done, raised = xpcall(function()
    part(first, second)
  end, text_of)
  return not done and raised or nil
end

-- Return the reply to a question about a stream or its group, or nil where that is not there. An answer that may not be given is
-- raised: it is not the same as nothing.
local function ask(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    if string.find(reply.err, 'NOGROUP', 1, true) or string.find(reply.err, 'no such key', 1, true) then
      return nil
    end
    error({ err = reply.err .. ' (' .. (...) .. ')' })
  end
  return reply
end

-- Publish news. What it is about is done already, so this raises nothing: `untold` is why it could not be published.
local untold
local function tell(channel, message)
  local reply = redis.pcall('PUBLISH', channel, message)
  if type(reply) == 'table' then
    untold = reply.err
  end
end

-- Keep the command that takes back what was just written, where the script keeps such a list.
local written
local function wrote(...)
  if written then
    written[#written + 1] = { ... }
  end
end

-- Whether a task's cancellation was asked for. Where something foreign is in the place of the list, none was.
local function is_cancelled(id)
  return type(redis.pcall('ZSCORE', prefix .. 'x', id)) == 'string'
end

-- A delayed or dead envelope is kept in a hash as "<priority> <earlier deliveries> <length of text> <text><body>".
local function pack_entry(priority, deliveries, text, body)
  return priority .. ' ' .. deliveries .. ' ' .. #text .. ' ' .. text .. body
end

local function unpack_entry(packed)
  local priority, deliveries, length, at = string.match(packed, '^([0-2]) (%d+) (%d+) ()')
  if not priority then
    return '1', 0, '', packed -- not ours: it becomes an envelope that nobody can read, and so a dead letter
  end
  return priority, tonumber(deliveries), string.sub(packed, at, at + length - 1), string.sub(packed, at + length)
end

-- Return (true) and create what is missing when the group of a stream is not there; a group begins at the first entry.
local function created_group(reply, priority)
  if type(reply) == 'table' and reply.err and string.find(reply.err, 'NOGROUP', 1, true) then
    redis.call('XGROUP', 'CREATE', stream(priority), 'g', '0', 'MKSTREAM')
    return true
  end
  return false
end

local function append(number, id, body, deliveries, cancelled, unmet)
  local entry = { 'XADD', stream(number), '*', 'i', id, 'b', body }
  for field, value in pairs({ n = deliveries > 0 and deliveries or nil, x = cancelled and '1' or nil, u = unmet and '1' or nil }) do
    entry[#entry + 1], entry[#entry + 2] = field, value
  end
  doing = 'XADD'
  wrote('XDEL', stream(number), redis.call(unpack(entry)))
end

-- Store an envelope for `due` and return true, or make it ready when that time has come. Workers are told of a new earliest time.
local function store(id, priority, delay, eta, body, awaits, deliveries)
  local due = delay > 0 and now + delay or eta
  if due <= now then
    append(priority, id, body, deliveries, false)
    return false
  end
  doing = 'ZRANGE, HSET or ZADD'
  local first = redis.call('ZRANGE', prefix .. 'delay', 0, 0, 'WITHSCORES')
  redis.call('HSET', prefix .. 'db', id, pack_entry(priority, deliveries, awaits, body))
  wrote('HDEL', prefix .. 'db', id)
  redis.call('ZADD', prefix .. 'delay', due, id)
  wrote('ZREM', prefix .. 'delay', id)
  if not first[2] or due < tonumber(first[2]) then
    tell(prefix .. 'ctl', 'd')
  end
  return true
end

-- Raise now what the commands behind a first write would raise when a part of the work is done: a right that is missing, a key of
-- something else. They are called so that they change nothing. The first write itself may fail: then nothing is done.
local function check_delayed()
  doing = 'ZADD, ZREM or HDEL'
  redis.call('ZADD', prefix .. 'delay', 'XX', 0, nothing)
  redis.call('ZREM', prefix .. 'delay', nothing)
  redis.call('HDEL', prefix .. 'db', nothing)
end

local function check_acknowledging(priority)
  doing = 'XDEL or XACK'
  redis.call('XDEL', stream(priority), '0-0')
  redis.call('XACK', stream(priority), 'g', '0-0')
end

-- What is parked is delayed, too. `parked` says of each for how long it waits and for what ("<ms> <text>"), `a:<text>` who waits
-- for it, and `await` when somebody was here who has it, in ms.
local function park(id, priority, delay, eta, body, awaits, deliveries)
  doing = 'HSETNX, ZADD or HDEL'
  redis.call('HSETNX', prefix .. 'await', awaits, 0) -- alone it does no harm: `unpark` finds that nobody waits, and forgets it
  redis.call('HDEL', prefix .. 'parked', nothing)
  redis.call('ZADD', prefix .. 'a:' .. awaits, 'XX', 0, nothing)
  if not store(id, priority, delay, eta, body, awaits, deliveries) then
    return
  end
  redis.call('HSET', prefix .. 'parked', id, (delay > 0 and delay or eta - now) .. ' ' .. awaits)
  redis.call('ZADD', prefix .. 'a:' .. awaits, now, id)
  tell(prefix .. 'ctl', 'p' .. awaits)
end

-- Return how long an envelope waits, and for what; nothing where it is not parked, or what says so is something foreign.
local function parking_of(id)
  local packed = redis.pcall('HGET', prefix .. 'parked', id)
  if type(packed) == 'table' and not string.find(packed.err, 'WRONGTYPE', 1, true) then
    error({ err = packed.err })
  end
  if type(packed) == 'string' then
    local patience, awaits = string.match(packed, '^(%d+) (.*)$')
    return tonumber(patience), awaits
  end
end

local function forget_parking(id, awaits)
  redis.pcall('HDEL', prefix .. 'parked', id)
  if awaits and redis.pcall('ZREM', prefix .. 'a:' .. awaits, id) == 1 and redis.pcall('EXISTS', prefix .. 'a:' .. awaits) == 0 then
    redis.pcall('HDEL', prefix .. 'await', awaits)
  end
end

-- Store an envelope as publish.lua describes it. Return the id of another task where that one holds its key: then nothing is stored.
local function accept(head, body)
  local priority, delay, eta, id = string.match(head, '^(%d) (%d+) (%d+) (.*)$')
  if not priority then
    local window, length
    priority, window, length, delay, eta, id = string.match(head, '^(%d) u (%d+) (%d+) (%d+) (%d+) (.*)$')
    doing = 'SET or MGET'
    local key = prefix .. 'u:' .. string.sub(body, 1, length)
    if not redis.call('SET', key, id, 'NX', 'PX', window) then
      local holder = redis.call('MGET', key)[1]
      if holder then
        return holder ~= id and holder -- its own key: it is stored already
      end
      redis.call('SET', key, id, 'PX', window) -- no task holds it, but something foreign that is no string
    end
    wrote('DEL', key)
    body = string.sub(body, length + 1)
  end
  store(id, priority, tonumber(delay), tonumber(eta), body, '', 0)
end

-- Make an envelope ready whose time has come; a parked one waits on while somebody was here lately who has what it waits for.
local function make_ready(id)
  doing = 'HGET'
  local packed = redis.call('HGET', prefix .. 'db', id)
  local cancelled = is_cancelled(id)
  local patience, awaits = parking_of(id)
  if awaits then
    local here_ms = redis.pcall('HGET', prefix .. 'await', awaits)
    local until_ms = patience + (type(here_ms) == 'string' and tonumber(here_ms) or 0)
    if packed and not cancelled and until_ms > now then
      redis.call('ZADD', prefix .. 'delay', until_ms, id)
      return
    end
  end
  if packed then
    local priority, deliveries, text, body = unpack_entry(packed)
    append(priority, id, body, deliveries, cancelled, text ~= '')
  end
  redis.call('ZREM', prefix .. 'delay', id)
  redis.call('HDEL', prefix .. 'db', id)
  forget_parking(id, awaits)
end

-- Make up to 500 due envelopes ready. Return the milliseconds until the next one is due, -1 when there is none; and what is wrong
-- with those that could not be made ready: they are tried again after 5 seconds, so that others come meanwhile.
local function promote()
  local due, problem = redis.call('ZRANGEBYSCORE', prefix .. 'delay', '-inf', now, 'LIMIT', 0, 500), nil
  if #due > 0 then
    check_delayed()
    for _, id in ipairs(due) do
      local failed = failure_of(make_ready, id)
      if failed then
        problem = failed
        redis.call('ZADD', prefix .. 'delay', 'XX', now + 5000, id)
      end
    end
  end
  local first = redis.call('ZRANGE', prefix .. 'delay', 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, math.min(tonumber(first[2]) - now, 86400000)) or -1, problem
end

local function is_alive(session)
  local lease = redis.call('ZSCORE', prefix .. 'w', session)
  return lease and tonumber(lease) > now
end

-- Return id, body, earlier deliveries, whether it is cancelled, whether its parking has ended unmet, what it was taken for by
-- `unpark`, and how long it waits for that. A foreign entry without these fields gets an empty body.
local function read_count(text)
  return text and #text < 10 and string.match(text, '^%d+$') and tonumber(text) or 0
end

local function read_fields(entry)
  local fields = entry[2]
  if fields[1] == 'i' and fields[3] == 'b' and not fields[5] then
    return fields[2], fields[4], 0, false
  end
  local found = {}
  for i = 1, #fields, 2 do
    found[fields[i]] = fields[i + 1]
  end
  return found.i or '', found.b or '', read_count(found.n), found.x == '1', found.u == '1', found.a, found.d
end

-- How long the mark of a cancellation is kept at most: so long may a task wait for a worker and still be cancelled then.
local longest_cancellation = 30 * 86400000
local on_its_way = 60000 -- so long may a client send a batch again

-- Return the milliseconds of a stream's first entry from a time on; nothing where there is none, and 0 where it cannot be asked for.
local function entry_ms(number, from)
  local entries = redis.pcall('XRANGE', stream(number), from, '+', 'COUNT', 1)
  if entries.err then
    return 0
  end
  local entry = entries[1]
  return entry and tonumber(string.match(entry[1], '^%d+'))
end

-- Return the time of a mark that is made now. No entry that is there may be of a later one: where the clock was set back, the mark
-- is made to last for longer than needed.
local function cancellation_ms()
  for number = 0, streams - 1 do
    if entry_ms(number, string.format('%.0f', now + 1)) then
      return now + longest_cancellation
    end
  end
  return now
end

-- Delete the marks that nothing can be meant by any more: those that are older than all that is ready or runs here. (What is added
-- again goes to the end, and takes its mark along.) So marks of what is not here, or has ended, do not pile up.
local function forget_cancellations()
  local first = redis.call('ZRANGE', prefix .. 'delay', 0, 0, 'WITHSCORES')[2]
  if redis.call('EXISTS', prefix .. 'x') == 0 or (first and tonumber(first) <= now) then
    return -- what is due has still to go to its stream, and needs its mark for that
  end
  local oldest = now
  for number = 0, streams - 1 do
    oldest = math.min(oldest, entry_ms(number, '-') or now)
  end
  redis.call('ZREMRANGEBYSCORE', prefix .. 'x', '-inf', '(' .. (oldest - on_its_way + longest_cancellation))
end

-- Return deliveries as two strings, because clients read a few long ones far faster than many short ones: a line of
-- "<stream> <entry id> <deliveries> <flags> <length of task id> <length of body>" for each, and all task ids and bodies. The flags
-- are 1 for cancelled, 2 for unmet.
local function pack_deliveries(rows)
  local lines, bytes = {}, {}
  for i, row in ipairs(rows) do
    local flags = (row.cancelled and 1 or 0) + (row.unmet and 2 or 0)
    lines[i] = row.priority .. ' ' .. row.entry .. ' ' .. row.deliveries .. ' ' .. flags .. ' ' .. #row.id .. ' ' .. #row.body
    bytes[2 * i - 1], bytes[2 * i] = row.id, row.body
  end
  return { table.concat(lines, '\n'), table.concat(bytes) }
end

-- Return the session's pending entries among those that are named (priority, entry id) as map: "<priority>-<entry>" -> deliveries.
-- Of a priority that cannot be asked for, the error goes into `problems`; where there is no such table it is raised.
local function owned_entries(session, entries, problems)
  local by_priority, owned = {}, {}
  for _, entry in ipairs(entries) do
    by_priority[entry[1]] = by_priority[entry[1]] or {}
    table.insert(by_priority[entry[1]], entry[2])
  end
  local function look(priority, ids)
    doing = nil -- the question itself says it
    local function note(first, last, count)
      for _, row in ipairs(ask('XPENDING', stream(priority), 'g', first, last, count, session) or {}) do
        owned[priority .. '-' .. row[1]] = row[4]
      end
    end
    if #ids <= 8 then
      for _, id in ipairs(ids) do
        note(id, id, 1)
      end
    else
      note('-', '+', 100000)
    end
  end
  for priority, ids in pairs(by_priority) do
    if problems then
      problems[priority] = failure_of(look, priority, ids)
    else
      look(priority, ids)
    end
  end
  return owned
end

-- Return a task's id, or where a foreign producer gave none or one that is taken, another: nothing may be overwritten. (Entries of
-- two streams may have the same entry id.)
local function free_key(hash, id, number, entry)
  doing = 'HEXISTS'
  local key = id
  while key == '' or redis.call('HEXISTS', prefix .. hash, key) == 1 do
    key = key .. '@' .. number .. '-' .. entry
  end
  return key
end

-- End deliveries. The pending list is the fence, so it is left last: until then the session owns them, and may ask again.
local function acknowledge(number, ids)
  doing = 'XDEL or XACK'
  for from = 1, #ids, 1000 do
    local to = math.min(from + 999, #ids)
    redis.call('XDEL', stream(number), unpack(ids, from, to))
    redis.call('XACK', stream(number), 'g', unpack(ids, from, to))
  end
  if tonumber(number) > 2 and redis.pcall('XLEN', stream(number)) == 0 then
    redis.pcall('DEL', stream(number))
  end
end
