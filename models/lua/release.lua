-- Give back the locks of a delivery, unless they have passed to somebody else.
--
-- KEYS[1] dirty      as in wake.lua; only read
-- KEYS[2...] locks   deleted when they hold ARGV[1]
-- ARGV[1] token, ARGV[2...] shard numbers, in the order of the locks
-- Returns those of the shards that were marked dirty meanwhile: their marker relied on the holder.

local marked = {}
for i = 2, #ARGV do
  if redis.call('GET', KEYS[i]) == ARGV[1] then redis.call('DEL', KEYS[i]) end
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then marked[#marked + 1] = tonumber(ARGV[i]) end
end
return marked
