-- Apply rows of one group to its window and publish them. Atomic; replays change nothing.
--
-- KEYS[1] version    string, version of the newest row published; the guard of publishing
-- KEYS[2] window     zset, id -> version, of the newest messages
-- KEYS[3] rows       hash, id -> what it is, a line feed, the encoded message; _v the version it is
--                    true for, and the guard of both; _low: nothing above it is missing
-- KEYS[4] lock       of the shard; must hold ARGV[6], or nothing is done
-- ARGV[1] channel
-- ARGV[2] version of the group before these rows, for when KEYS[1] is gone; empty: not known;
--         ">N": these rows follow others of the same pass, which ended with version N
-- ARGV[3] messages the window holds, ARGV[4] seconds the keys live
-- ARGV[5] who is not in the group any more behind these rows, separated by commas
-- ARGV[6] token of the delivery
-- ARGV[7...] four per row, ascending versions: version, id, what it is, encoded message
-- Returns the version before these rows, or -1 when it must be looked up and passed in ARGV[2], or
-- when the rows before these were not published (somebody set KEYS[1] between); -2 without the lock.

if redis.call('GET', KEYS[4]) ~= ARGV[6] then return -2 end
local previous = redis.call('GET', KEYS[1])
local floor = tonumber(string.match(ARGV[2], '^>(%d+)$'))
if floor then
  if not previous or tonumber(previous) < floor then return -1 end
else
  previous = previous or ARGV[2]
  if previous == '' then return -1 end
end
local published = tonumber(previous)
local last = ARGV[#ARGV - 3]

local first = tonumber(ARGV[7])
local as_of = tonumber(redis.call('HGET', KEYS[3], '_v') or -1)
local whole = redis.call('ZCARD', KEYS[2]) == redis.call('HLEN', KEYS[3]) - 2
-- Filled by a reader that was late: what was delivered since is not in it.
local hole = as_of < first - 1 and (published >= first or as_of < published)
if as_of < 0 or not whole or hole then
  redis.call('DEL', KEYS[2], KEYS[3])
  as_of = first - 1
  redis.call('HSET', KEYS[3], '_low', as_of, '_v', as_of)
end

local blobs = {}
for i = 7, #ARGV, 4 do
  local version = tonumber(ARGV[i])
  if version > published then blobs[#blobs + 1] = ARGV[i + 3] end
  if version > as_of then
    redis.call('ZADD', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('HSET', KEYS[3], ARGV[i + 1], ARGV[i + 2] .. '\n' .. ARGV[i + 3])
  end
end
if tonumber(last) > as_of then
  local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[3])
  if surplus > 0 then
    local popped = redis.call('ZPOPMIN', KEYS[2], surplus)
    for i = 1, #popped, 2 do redis.call('HDEL', KEYS[3], popped[i]) end
    redis.call('HSET', KEYS[3], '_low', popped[#popped])
  end
  redis.call('HSET', KEYS[3], '_v', last)
  redis.call('EXPIRE', KEYS[2], ARGV[4])
  redis.call('EXPIRE', KEYS[3], ARGV[4])
end
if #blobs > 0 then
  redis.call('SET', KEYS[1], last, 'EX', ARGV[4])
  redis.call('PUBLISH', ARGV[1], 'm' .. previous .. ' ' .. ARGV[5] .. '\n' .. table.concat(blobs))
end
return published
