-- Call for a delivery of shards that have grown.
--
-- KEYS[1] dirty      hash, shard -> when a task was called for (ms; 0: left to who holds the lock);
--                    those of ARGV are added when nobody is listening
-- KEYS[2...] locks   one per shard, only read: who holds one looks at `dirty` before it leaves
-- ARGV[1] channel on which an idle delivery listens; empty: those who listen shall not hear it
-- ARGV[2] milliseconds after which a task that has not come is taken for lost
-- ARGV[3...] shard numbers, in the order of the locks
-- Returns the shards that need a task: nobody listens or has them, and none is on its way.

if ARGV[1] ~= '' and redis.call('PUBLISH', ARGV[1], ' ' .. table.concat(ARGV, ',', 3)) > 0 then
  return {}
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local fresh = {}
for i = 3, #ARGV do
  local called = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0)
  if redis.call('EXISTS', KEYS[i - 1]) == 1 then
    redis.call('HSETNX', KEYS[1], ARGV[i], 0)
  elseif now - called > tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', now))
    fresh[#fresh + 1] = tonumber(ARGV[i])
  end
end
return fresh
