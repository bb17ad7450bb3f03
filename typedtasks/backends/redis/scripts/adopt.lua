#!lua flags=allow-oom
-- ARGV: prefix, session, then for each own pending entry: priority, entry id. Returns deliveries as `pack_deliveries` does.
-- common.lua
local entries, rows = {}, {}
for i = 3, #ARGV, 2 do
  table.insert(entries, { ARGV[i], ARGV[i + 1] })
end
local owned = owned_entries(ARGV[2], entries)
for _, named in ipairs(entries) do
  local priority, entry_id = named[1], named[2]
  local deliveries = owned[priority .. '-' .. entry_id]
  if deliveries then
    local entry = redis.call('XRANGE', stream(priority), entry_id, entry_id)[1]
    if entry then
      local id, body, earlier, cancelled, unmet = read_fields(entry)
      cancelled = cancelled or is_cancelled(id)
      deliveries = earlier + deliveries
      table.insert(
        rows,
        {
          priority = priority,
          entry = entry_id,
          id = id,
          body = body,
          deliveries = deliveries,
          cancelled = cancelled,
          unmet = unmet,
        }
      )
    else
      redis.call('XACK', stream(priority), 'g', entry_id)
    end
  end
end
return pack_deliveries(rows)
