#!lua
-- ARGV: prefix, client, number of the batch, lowest number that the client may send again, then for each envelope:
-- "<priority> <delay_ms> <eta_ms> <id>", body; or with a key: "<priority> u <window_ms> <length of key> <delay_ms> <eta_ms> <id>",
-- "<key><body>". All are stored or none, but for those whose key another task holds. Returns a line "<place> <id of that task>"
-- for each of these; nearly always nothing.
-- The numbers that were stored are kept with the answer, so that it is safe to send the same batch again after a lost reply. Where a
-- command fails on the way, what was written is taken back, the number first.
local batches = ARGV[1] .. 'bt:' .. ARGV[2]
if redis.call('HSETNX', batches, ARGV[3], '') == 0 then
  return redis.call('HGET', batches, ARGV[3])
end
local at, last, added, step = 5, #ARGV, {}, 'PEXPIRE, HLEN, HKEYS or HDEL'

local function note_batch()
  redis.call('PEXPIRE', batches, 60000)
  if redis.call('HLEN', batches) % 32 == 0 then
    for _, number in ipairs(redis.call('HKEYS', batches)) do
      if tonumber(number) and tonumber(number) < tonumber(ARGV[4]) then
        redis.call('HDEL', batches, number)
      end
    end
  end
end

local function add_ready_ones() -- nearly all are
  note_batch()
  step = 'XADD'
  while at <= last and string.sub(ARGV[at], 2, 6) == ' 0 0 ' do
    local head = ARGV[at]
    added[#added + 1] =
      redis.call('XADD', ARGV[1] .. 's' .. string.sub(head, 1, 1), '*', 'i', string.sub(head, 7), 'b', ARGV[at + 1])
    at = at + 2
  end
end

-- Return the error of a batch that could not be stored, when nothing of it is left.
local function taken_back(raised, others)
  if redis.pcall('HDEL', batches, ARGV[3]) ~= 1 then
    redis.pcall('PEXPIRE', batches, 0)
  end
  local is_gone = true
  for i = #others, 1, -1 do
    is_gone = type(redis.pcall(unpack(others[i]))) == 'number' and is_gone
  end
  for i, entry in ipairs(added) do
    is_gone = redis.pcall('XDEL', ARGV[1] .. 's' .. string.sub(ARGV[3 + 2 * i], 1, 1), entry) == 1 and is_gone
  end
  return redis.error_reply(raised .. (is_gone and '' or ' (some tasks of the batch were stored, and could not be taken back)'))
end

local done, raised = xpcall(add_ready_ones, function(raised)
  return type(raised) == 'table' and raised.err .. ' (' .. step .. ')' or 'ERR ' .. tostring(raised)
end)
if not done then
  return taken_back(raised, {})
end
if at > last then
  return ''
end
-- common.lua
written = {}
local duplicates = {}
local function accept_others()
  for i = at, last, 2 do
    local holder = accept(ARGV[i], ARGV[i + 1])
    if holder then
      table.insert(duplicates, (i - 5) / 2 .. ' ' .. holder)
    end
  end
  doing = 'HSET or PUBLISH'
  if #duplicates > 0 then
    redis.call('HSET', batches, ARGV[3], table.concat(duplicates, '\n'))
  end
  if untold then
    error({ err = untold })
  end
end
done, raised = xpcall(accept_others, text_of)
if not done then
  return taken_back(raised, written)
end
return table.concat(duplicates, '\n')
