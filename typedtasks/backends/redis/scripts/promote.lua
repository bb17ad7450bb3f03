#!lua flags=allow-oom
-- ARGV: prefix. Returns the milliseconds until the next delayed envelope is due, -1 when there is none.
-- common.lua
return promote()
