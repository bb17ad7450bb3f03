-- What other scripts share, put where they say so. ARGV[1] is the prefix `tt:{queue}:`; every key is made from it, so all are in one slot.
-- KEYS[1] is one of them, which tells a cluster where the script belongs. Payloads are never parsed here.
local prefix = ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function stream(priority)
  return prefix .. 's' .. priority
end

-- A delayed or dead envelope is kept in a hash as "<priority> <earlier deliveries> <length of text> <text><body>".
local function pack_entry(priority, deliveries, text, body)
  return priority .. ' ' .. deliveries .. ' ' .. #text .. ' ' .. text .. body
end

local function unpack_entry(packed)
  local priority, deliveries, length, at = string.match(packed, '^(%d) (%d+) (%d+) ()')
  return priority, tonumber(deliveries), string.sub(packed, at, at + length - 1), string.sub(packed, at + length)
end

-- Return (true) and create what is missing when the group of a stream is not there; a group begins at the first entry.
local function created_group(reply, priority)
  if type(reply) == 'table' and reply.err and string.find(reply.err, 'NOGROUP', 1, true) then
    redis.pcall('XGROUP', 'CREATE', stream(priority), 'g', '0', 'MKSTREAM')
    return true
  end
  return false
end

local function append(priority, id, body, deliveries, cancelled)
  if cancelled then
    redis.call('XADD', stream(priority), '*', 'i', id, 'b', body, 'n', deliveries, 'x', '1')
  elseif deliveries > 0 then
    redis.call('XADD', stream(priority), '*', 'i', id, 'b', body, 'n', deliveries)
  else
    redis.call('XADD', stream(priority), '*', 'i', id, 'b', body)
  end
end

-- Store an envelope for `due` and return true, or make it ready when that time has come. Workers are told of a new earliest time.
local function store(id, priority, delay, eta, body, awaits)
  local due = delay > 0 and now + delay or eta
  if due <= now then
    append(priority, id, body, 0, false)
    return false
  end
  local first = redis.call('ZRANGE', prefix .. 'delay', 0, 0, 'WITHSCORES')
  redis.call('HSET', prefix .. 'db', id, pack_entry(priority, 0, awaits, body))
  redis.call('ZADD', prefix .. 'delay', due, id)
  if not first[2] or due < tonumber(first[2]) then
    redis.call('PUBLISH', prefix .. 'ctl', 'd')
  end
  return true
end

-- Store an envelope as publish.lua describes it. Return the id of another task where that one holds its key: then nothing is stored.
local function accept(head, body)
  local priority, delay, eta, id = string.match(head, '^(%d) (%d+) (%d+) (.*)$')
  if not priority then
    local window, length
    priority, window, length, delay, eta, id = string.match(head, '^(%d) u (%d+) (%d+) (%d+) (%d+) (.*)$')
    local holder = redis.call('SET', prefix .. 'u:' .. string.sub(body, 1, length), id, 'NX', 'GET', 'PX', window)
    if holder then
      return holder ~= id and holder -- its own key: it is stored already
    end
    body = string.sub(body, length + 1)
  end
  store(id, priority, tonumber(delay), tonumber(eta), body, '')
end

-- Make up to 500 due envelopes ready. Return the milliseconds until the next one is due, -1 when there is none.
local function promote()
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'delay', '-inf', now, 'LIMIT', 0, 500)
  if #due > 0 then
    for _, id in ipairs(due) do
      local packed = redis.call('HGET', prefix .. 'db', id)
      if packed then
        local priority, deliveries, _, body = unpack_entry(packed)
        append(priority, id, body, deliveries, redis.call('ZSCORE', prefix .. 'x', id))
      end
    end
    redis.call('ZREM', prefix .. 'delay', unpack(due))
    redis.call('HDEL', prefix .. 'db', unpack(due))
    redis.call('HDEL', prefix .. 'parked', unpack(due))
  end
  local first = redis.call('ZRANGE', prefix .. 'delay', 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, tonumber(first[2]) - now) or -1
end

local function is_alive(session)
  local lease = redis.call('ZSCORE', prefix .. 'w', session)
  return lease and tonumber(lease) > now
end

-- Return id, body, earlier deliveries and whether it is cancelled. A foreign entry without these fields gets an empty body.
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
  return found.i or '', found.b or '', read_count(found.n), found.x == '1'
end

-- Return deliveries as two strings, because clients read a few long ones far faster than many short ones: a line of
-- "<priority> <entry id> <deliveries> <cancelled> <length of task id> <length of body>" for each, and all task ids and bodies.
local function pack_deliveries(rows)
  local lines, bytes = {}, {}
  for i, row in ipairs(rows) do
    lines[i] = row.priority .. ' ' .. row.entry .. ' ' .. row.deliveries .. ' ' .. (row.cancelled and 1 or 0)
      .. ' ' .. #row.id .. ' ' .. #row.body
    bytes[2 * i - 1], bytes[2 * i] = row.id, row.body
  end
  return { table.concat(lines, '\n'), table.concat(bytes) }
end

-- Return the session's pending entries among those that are named (priority, entry id) as map: "<priority>-<entry>" -> deliveries.
local function owned_entries(session, entries)
  local by_priority, owned = {}, {}
  for _, entry in ipairs(entries) do
    by_priority[entry[1]] = by_priority[entry[1]] or {}
    table.insert(by_priority[entry[1]], entry[2])
  end
  for priority, ids in pairs(by_priority) do
    local function note(first, last, count)
      local rows = redis.pcall('XPENDING', stream(priority), 'g', first, last, count, session)
      for _, row in ipairs(rows.err and {} or rows) do
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
  return owned
end

local function acknowledge(by_priority)
  for priority, ids in pairs(by_priority) do
    for from = 1, #ids, 1000 do
      local to = math.min(from + 999, #ids)
      redis.call('XACK', stream(priority), 'g', unpack(ids, from, to))
      redis.call('XDEL', stream(priority), unpack(ids, from, to))
    end
  end
end
