-- Fill a group's window with rows read from MySQL, unless it is further already.
--
-- KEYS[1] window, KEYS[2] rows: as in group_apply.lua; replaced
-- ARGV[1] seconds the keys live, ARGV[2] version the rows are true for
-- ARGV[3] nothing above this version is missing from them
-- ARGV[4...] four per row, as in group_apply.lua
-- Returns 1 when filled.

local as_of = redis.call('HGET', KEYS[2], '_v')
if as_of and tonumber(as_of) > tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[2], '_v', ARGV[2], '_low', ARGV[3])
for i = 4, #ARGV, 4 do
  redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2] .. '\n' .. ARGV[i + 3])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return 1
