-- Fill a set rebuilt from MySQL, unless something happened while it was read.
--
-- KEYS[1] set        replaced
-- KEYS[2] lease      must still hold ARGV[1]; deleted
-- ARGV[1] token, ARGV[2] seconds the key lives, ARGV[3...] members
-- Returns 1 when filled.

if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
for at = 3, #ARGV, 1000 do
  redis.call('SADD', KEYS[1], unpack(ARGV, at, math.min(at + 999, #ARGV)))
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
