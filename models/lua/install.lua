-- Install a user's rebuilt hashes, unless something happened while they were read from MySQL.
--
-- KEYS[1] contacts   replaced
-- KEYS[2] unread     replaced
-- KEYS[3] marks      replaced
-- KEYS[4] lease      must still hold ARGV[1]; deleted
-- ARGV[1] token, ARGV[2] seconds the keys live
-- ARGV[3], ARGV[4], ARGV[5] number of arguments that follow for each of the three hashes
-- ARGV[6...] field, value, ... of the three, one after the other
-- Returns 1 when installed, 0 when the rebuild must start over.

if redis.call('GET', KEYS[4]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local at = 6
for k = 1, 3 do
  local stop = at + tonumber(ARGV[2 + k]) - 1
  while at <= stop do
    local upto = math.min(at + 999, stop)
    redis.call('HSET', KEYS[k], unpack(ARGV, at, upto))
    at = upto + 1
  end
  redis.call('EXPIRE', KEYS[k], ARGV[2])
end
return 1
