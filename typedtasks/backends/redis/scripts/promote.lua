#!lua flags=allow-oom
-- ARGV: prefix. Returns the milliseconds until the next delayed envelope is due, -1 when there is none.
-- common.lua
local next_due, problem = promote()
return problem and redis.error_reply(problem) or next_due
