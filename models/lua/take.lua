-- Take shards for a delivery, or leave them marked for the one that has them.
--
-- KEYS[1] dirty      as in wake.lua; taken ones are removed, others added
-- KEYS[2...] locks   one per shard; set to ARGV[1], or kept when it holds that already
-- ARGV[1] token of the delivery, ARGV[2] milliseconds the locks last
-- ARGV[3] channel on which an idle delivery listens; hears token and shards of those not taken
-- ARGV[4...] shard numbers, in the order of the locks
-- Returns the shards taken.

local taken, left = {}, {}
for i = 4, #ARGV do
  local lock = KEYS[i - 2]
  local holder = redis.call('GET', lock)
  if not holder or holder == ARGV[1] then
    redis.call('SET', lock, ARGV[1], 'PX', ARGV[2])
    redis.call('HDEL', KEYS[1], ARGV[i])
    taken[#taken + 1] = tonumber(ARGV[i])
  else
    redis.call('HSETNX', KEYS[1], ARGV[i], 0)
    left[#left + 1] = ARGV[i]
  end
end
if #left > 0 then redis.call('PUBLISH', ARGV[3], ARGV[1] .. ' ' .. table.concat(left, ',')) end
return taken
