-- Fill a group's window with rows read from MySQL, unless it reaches further already.
--
-- KEYS[1] window, KEYS[2] rows: as in group_apply.lua; replaced
-- ARGV[1] seconds the keys live, ARGV[2] version the rows are true for
-- ARGV[3] nothing above this version is missing from them
-- ARGV[4...] four per row, as in group_apply.lua
-- Returns 1 when filled.

local as_of, low = unpack(redis.call('HMGET', KEYS[2], '_v', '_low'))
if as_of then
  as_of = tonumber(as_of)
  local whole = redis.call('ZCARD', KEYS[1]) == redis.call('HLEN', KEYS[2]) - 2
  if as_of > tonumber(ARGV[2]) then return 0 end
  if as_of == tonumber(ARGV[2]) and whole and tonumber(low) <= tonumber(ARGV[3]) then return 0 end
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[2], '_v', ARGV[2], '_low', ARGV[3])
for i = 4, #ARGV, 4 do
  redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2] .. '\n' .. ARGV[i + 3])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return 1
