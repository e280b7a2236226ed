-- Count a connection in among those of its user; may push others out.
--
-- KEYS[1] devices    hash, session -> JSON: c class, p platform, d device, o process, t since (ms),
--                    k token digest, x token expiry (s), u kept until (ms, 0: until it leaves),
--                    out: it was pushed out and has not heard of it yet (polls only)
-- KEYS[2] attended   set, users with connections in the process
-- KEYS[3] latest     only read
-- KEYS[4] groups     set of "group version" of the user (models/keys.py); only read
-- ARGV[1] user, ARGV[2] session, ARGV[3] its JSON
-- ARGV[4] connections allowed in its class (0: any number, it was admitted before), ARGV[5] "kick" or
--         "refuse"
-- ARGV[6] now (ms), ARGV[7] seconds the hash lives
-- ARGV[8] channel of the user, ARGV[9] channel of their presence, ARGV[10] "online" as payload
-- Also reads process:<o> of each connection: without it the connection died with its process.
-- Of two connections of one device the one that came later stays, and the other is pushed out.
-- Returns {1, latest or "", members of groups}; {0} when refused; {-1} when this session was pushed out meanwhile.

local own = cjson.decode(ARGV[3])
local now, cap = tonumber(ARGV[6]), tonumber(ARGV[4])
local others, same, online, newer = {}, {}, false, false
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local id, entry = entries[i], cjson.decode(entries[i + 1])
  local dead = (entry.u > 0 and entry.u <= now)
    or redis.call('EXISTS', 'process:' .. entry.o) == 0
  -- The dead are left to leave.lua: its caller records when they were last seen.
  if not dead and entry.out then
    if id == ARGV[2] then
      redis.call('HDEL', KEYS[1], id)
      return {-1}
    end
  elseif not dead then
    online = true
    if id ~= ARGV[2] then
      if entry.d == own.d then
        same[#same + 1] = id
        -- Clocks of two processes tell nothing of two log-ins, unless they are admitted already.
        newer = newer or (entry.t > own.t and (cap == 0 or entry.o == own.o))
      elseif entry.c == own.c then
        others[#others + 1] = {id = id, entry = entry}
      end
    elseif own.u > 0 then
      own.t = entry.t
    end
  end
end

if newer then
  redis.call('PUBLISH', ARGV[8], 'k' .. ARGV[2] .. ' KICKED\nthe device has connected again')
  return {1, '', {}}
end
if cap > 0 and #others >= cap then
  if ARGV[5] == 'refuse' then return {0} end
  table.sort(others, function(a, b)
    if a.entry.t ~= b.entry.t then return a.entry.t < b.entry.t end
    return a.id < b.id
  end)
  for i = 1, #others - cap + 1 do
    local victim = others[i]
    if victim.entry.u > 0 then
      victim.entry.out = true
      redis.call('HSET', KEYS[1], victim.id, cjson.encode(victim.entry))
    else
      redis.call('HDEL', KEYS[1], victim.id)
    end
    redis.call('PUBLISH', ARGV[8], 'k' .. victim.id .. ' KICKED\nanother device took its place')
  end
end
for _, id in ipairs(same) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('PUBLISH', ARGV[8], 'k' .. id .. ' KICKED\nthe device has connected again')
end

redis.call('HSET', KEYS[1], ARGV[2], cjson.encode(own))
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('SADD', KEYS[2], ARGV[1])
if not online then redis.call('PUBLISH', ARGV[9], ARGV[10]) end
return {1, redis.call('GET', KEYS[3]) or '', redis.call('SMEMBERS', KEYS[4])}
