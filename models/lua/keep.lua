-- Make the locks of a delivery last longer; what it lost meanwhile it does not get back.
--
-- KEYS locks         one per shard; extended when they hold ARGV[1]
-- ARGV[1] token of the delivery, ARGV[2] milliseconds the locks last
-- ARGV[3...] shard numbers, in the order of the locks
-- Returns the shards it still holds.

local held = {}
for i, lock in ipairs(KEYS) do
  if redis.call('GET', lock) == ARGV[1] then
    redis.call('PEXPIRE', lock, ARGV[2])
    held[#held + 1] = tonumber(ARGV[i + 2])
  end
end
return held
