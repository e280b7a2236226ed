-- Read a part of a group's log from its window.
--
-- KEYS[1] window, KEYS[2] rows: as in group_apply.lua; only read
-- ARGV[1] begin, ARGV[2] end: versions, begin < version <= end; ARGV[3] rows at most
-- Returns id, version, value, ... ascending; nil when the window does not hold the whole of it.

local as_of, low = unpack(redis.call('HMGET', KEYS[2], '_v', '_low'))
if not as_of or tonumber(as_of) < tonumber(ARGV[2]) or tonumber(low) > tonumber(ARGV[1])
    or redis.call('ZCARD', KEYS[1]) ~= redis.call('HLEN', KEYS[2]) - 2 then
  return false
end
local found = {}
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], ARGV[2], 'WITHSCORES',
  'LIMIT', 0, ARGV[3])
for i = 1, #ids, 2 do
  found[#found + 1] = ids[i]
  found[#found + 1] = ids[i + 1]
  found[#found + 1] = redis.call('HGET', KEYS[2], ids[i])
end
return found
