-- Call for a delivery of shards that have grown.
--
-- KEYS[1] dirty      hash, shard -> when it was called for (ms; 0: left to who holds the lock)
-- KEYS[2] listener   token of the idle delivery that listens; only read
-- KEYS[3...] locks   one per shard, only read: who holds one looks at `dirty` before it leaves
-- ARGV[1] channel on which an idle delivery listens; empty: it shall not hear this
-- ARGV[2] milliseconds after which who was called for is taken for lost
-- ARGV[3...] shard numbers, in the order of the locks
-- Returns the shards that need a task: nobody has them or hears of them, and none is on its way. One
-- who hears but does not come, frozen or cut off, is relied on for no longer than a task.

local listener = redis.call('GET', KEYS[2])
local heard = ARGV[1] ~= ''
  and redis.call('PUBLISH', ARGV[1], ' ' .. table.concat(ARGV, ',', 3)) > 0 and listener
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local fresh = {}
for i = 3, #ARGV do
  local holder = redis.call('GET', KEYS[i])
  if holder then
    if not heard or holder ~= listener then redis.call('HSETNX', KEYS[1], ARGV[i], 0) end
  else
    local called = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0)
    if now - called > tonumber(ARGV[2]) then
      redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', now))
      if not heard or called > 0 then fresh[#fresh + 1] = tonumber(ARGV[i]) end
    end
  end
end
return fresh
