-- Count a connection out, and every one of the user's that died with its process.
--
-- KEYS[1] devices    as in enter.lua
-- KEYS[2] attended   set of the process that asks; the user is removed with their last connection
--                    there
-- ARGV[1] user, ARGV[2] session, ARGV[3] process
-- ARGV[4] now (ms), ARGV[5] channel of the user's presence, ARGV[6] "offline" as payload
-- ARGV[7] "1": the session goes even if it is kept until later than now
-- Also reads process:<o>, as enter.lua does.
-- Returns the JSON of what was removed.

local now = tonumber(ARGV[4])
local removed, counted, online, here = {}, false, false, false
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local id, entry = entries[i], cjson.decode(entries[i + 1])
  local over = entry.u > 0 and entry.u <= now
  if over or (id == ARGV[2] and (entry.u == 0 or ARGV[7] == '1'))
      or redis.call('EXISTS', 'process:' .. entry.o) == 0 then
    redis.call('HDEL', KEYS[1], id)
    removed[#removed + 1] = entries[i + 1]
    counted = counted or not entry.out
  else
    online = online or not entry.out
    here = here or entry.o == ARGV[3]
  end
end
if not here then redis.call('SREM', KEYS[2], ARGV[1]) end
if counted and not online then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
return removed
