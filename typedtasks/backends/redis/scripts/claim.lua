#!lua flags=allow-oom
-- ARGV: prefix, session, capacity, then the steps of the read plan: priority, limit.
-- Returns -1 when the lease has ended, else the deliveries as `pack_deliveries` writes them. Where one priority cannot be read, the others
-- are; what is wrong is said when they have nothing. (What is wrong with delayed envelopes, `promote` says.)
-- common.lua
local session, left = ARGV[2], tonumber(ARGV[3])
if not is_alive(session) then
  return -1
end
failure_of(promote)
local cancellations = redis.call('EXISTS', prefix .. 'x') == 1
local rows, problem = {}, nil
for i = 4, #ARGV, 2 do
  local priority, limit = ARGV[i], math.min(left, tonumber(ARGV[i + 1]))
  if limit > 0 then
    local read = { 'XREADGROUP', 'GROUP', 'g', session, 'COUNT', limit, 'STREAMS', stream(priority), '>' }
    local found = redis.pcall(unpack(read))
    if created_group(found, priority) then
      found = redis.pcall(unpack(read))
    end
    if found and found.err then
      problem, found = found.err, nil
    end
    for _, entry in ipairs(found and found[1][2] or {}) do
      local id, body, earlier, cancelled, unmet = read_fields(entry)
      if cancellations and is_cancelled(id) then
        cancelled = true
      end
      rows[#rows + 1] = {
        priority = priority,
        entry = entry[1],
        id = id,
        body = body,
        deliveries = earlier + 1,
        cancelled = cancelled,
        unmet = unmet,
      }
      left = left - 1
    end
  end
end
if problem and #rows == 0 then
  return redis.error_reply(problem)
end
return pack_deliveries(rows)
