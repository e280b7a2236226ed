-- Bring what members of a group have not read up to date, where that is cached.
--
-- KEYS[1] window, KEYS[2] rows: as in group_apply.lua; only read
-- KEYS[3...] unread  hashes of members: group -> version:count:mentions:bound
-- ARGV[1] group, ARGV[2...] users, in the order of their hashes
-- A count that cannot be brought up to date is deleted, and made anew when it is asked for.

local as_of, low = unpack(redis.call('HMGET', KEYS[2], '_v', '_low'))
if not as_of or redis.call('ZCARD', KEYS[1]) ~= redis.call('HLEN', KEYS[2]) - 2 then return 0 end
as_of, low = tonumber(as_of), tonumber(low)

local counts, oldest = {}, as_of
for k = 3, #KEYS do
  local count = redis.call('HGET', KEYS[k], ARGV[1])
  if count then
    local version, unread, mentions, bound = string.match(count, '^(%d+):(%d+):(%d+):(%x+)$')
    version = tonumber(version)
    if version < low then
      redis.call('HDEL', KEYS[k], ARGV[1])
    elseif version < as_of then
      counts[#counts + 1] = {k, version, tonumber(unread), tonumber(mentions), bound}
      oldest = math.min(oldest, version)
    end
  end
end
if #counts == 0 then return 0 end

local rows = {}
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. oldest, '+inf', 'WITHSCORES')
for i = 1, #ids, 2 do
  local head = string.match(redis.call('HGET', KEYS[2], ids[i]), '^[^\n]*')
  local kind, sender, mentions = string.match(head, '^(%a) (%S*) (%S*)$')
  rows[#rows + 1] = {tonumber(ids[i + 1]), kind, sender, mentions}
end

for _, count in ipairs(counts) do
  local k, version, unread, mentions, bound = unpack(count)
  local user = ARGV[k - 1]
  for _, row in ipairs(rows) do
    if unread and row[1] > version then
      if row[2] == 'w' then
        unread = nil
      elseif row[2] == 'm' and row[3] ~= user then
        unread = unread + 1
        if string.find(row[4], ',' .. user .. ',', 1, true) or string.find(row[4], ',*,', 1, true) then
          mentions = mentions + 1
        end
      end
    end
  end
  if unread then
    redis.call('HSET', KEYS[k], ARGV[1], table.concat({as_of, unread, mentions, bound}, ':'))
  else
    redis.call('HDEL', KEYS[k], ARGV[1])
  end
end
return #counts
