-- Call for a delivery of shards that have grown.
--
-- KEYS[1] dirty      set of shard numbers; those of ARGV are added when nobody is listening
-- KEYS[2...] locks   one per shard, only read: who holds one looks at `dirty` before it leaves
-- ARGV[1] channel on which an idle delivery listens
-- ARGV[2...] shard numbers, in the order of the locks
-- Returns the shards that need a task: nobody listens or has them, and they were not dirty before.

if redis.call('PUBLISH', ARGV[1], ' ' .. table.concat(ARGV, ',', 2)) > 0 then return {} end
local fresh = {}
for i = 2, #ARGV do
  local added = redis.call('SADD', KEYS[1], ARGV[i])
  if added == 1 and redis.call('EXISTS', KEYS[i]) == 0 then fresh[#fresh + 1] = tonumber(ARGV[i]) end
end
return fresh
