-- Bring a group's window up to rows read from MySQL, unless it reaches further already.
--
-- KEYS[1] window, KEYS[2] rows: as in group_apply.lua; replaced, or added to where both meet
-- ARGV[1] messages the window holds, ARGV[2] seconds the keys live
-- ARGV[3] version the rows are true for, ARGV[4] nothing above this version is missing from them
-- ARGV[5...] four per row, as in group_apply.lua
-- Returns 1 when the window is now true for that version.

local upto, begin = tonumber(ARGV[3]), tonumber(ARGV[4])
local as_of, low = unpack(redis.call('HMGET', KEYS[2], '_v', '_low'))
local whole = as_of and redis.call('ZCARD', KEYS[1]) == redis.call('HLEN', KEYS[2]) - 2
as_of, low = tonumber(as_of or -1), tonumber(low or -1)
if as_of > upto then return 0 end
if whole and as_of == upto and low <= begin then return 0 end
if not whole or begin > as_of or begin < low then
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[2], '_low', begin)
end
for i = 5, #ARGV, 4 do
  redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2] .. '\n' .. ARGV[i + 3])
end
redis.call('HSET', KEYS[2], '_v', ARGV[3])
local surplus = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[1])
if surplus > 0 then
  local popped = redis.call('ZPOPMIN', KEYS[1], surplus)
  for i = 1, #popped, 2 do redis.call('HDEL', KEYS[2], popped[i]) end
  redis.call('HSET', KEYS[2], '_low', popped[#popped])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
