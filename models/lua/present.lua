-- The connections of some users that are alive.
--
-- KEYS[...]  devices, one per user, as in enter.lua; only read
-- ARGV[1] now (ms)
-- Also reads process:<o>, as enter.lua does.
-- Returns for each user a list of session, JSON, session, JSON, ...

local now = tonumber(ARGV[1])
local found = {}
for k = 1, #KEYS do
  local alive = {}
  local entries = redis.call('HGETALL', KEYS[k])
  for i = 1, #entries, 2 do
    local entry = cjson.decode(entries[i + 1])
    local over = entry.out or (entry.u > 0 and entry.u <= now)
    if not over and redis.call('EXISTS', 'process:' .. entry.o) == 1 then
      alive[#alive + 1] = entries[i]
      alive[#alive + 1] = entries[i + 1]
    end
  end
  found[k] = alive
end
return found
