-- Apply rows of one mailbox to its owner's caches and publish them. Atomic; replays change nothing.
--
-- KEYS[1] latest     string, version of the newest row published; the guard of publishing
-- KEYS[2] contacts   hash, conversation -> id .. message; field _ is the version it and unread
--                    are true for, and guards both
-- KEYS[3] unread     hash, conversation -> count; field _ tells an empty hash from a missing one
-- KEYS[4] marks      hash, conversation -> read .. cleared_sent .. cleared_received (32 hex each);
--                    field _ as in unread
-- KEYS[5] lease      deleted when a hash is missing, so that a rebuild under way starts over
-- KEYS[6] lock       of the shard; must hold ARGV[5], or nothing is done
-- ARGV[1] channel
-- ARGV[2] version of the mailbox before these rows, for when `latest` is gone; empty: not known;
--         ">N": these rows follow others of the same pass, which ended with version N
-- ARGV[3] seconds the keys live
-- ARGV[4] 1: let the hashes live that much longer
-- ARGV[5] token of the delivery
-- ARGV[6...] six per row, ascending versions:
--   version, conversation, id, kind (s sent, r received, w received and recalled),
--   recount ("" or count .. ":" .. the read id it was made with), encoded message
-- Returns the version before these rows, or -1 when it must be looked up and passed in ARGV[2], or
-- when the rows before these were not published (somebody set KEYS[1] between); -2 without the lock.

if redis.call('GET', KEYS[6]) ~= ARGV[5] then return -2 end
local previous = redis.call('GET', KEYS[1])
local floor = tonumber(string.match(ARGV[2], '^>(%d+)$'))
if floor then
  if not previous or tonumber(previous) < floor then return -1 end
else
  previous = previous or ARGV[2]
  if previous == '' then return -1 end
end
local published = tonumber(previous)
local last = ARGV[#ARGV - 5]
local ZERO = string.rep('0', 32)

local fields = {'_'}
for i = 7, #ARGV, 6 do fields[#fields + 1] = ARGV[i] end
local marks = redis.call('HMGET', KEYS[4], unpack(fields))
local shown = redis.call('HMGET', KEYS[2], unpack(fields))
local as_of = shown[1] and tonumber(shown[1])
if not as_of or not marks[1] or redis.call('HEXISTS', KEYS[3], '_') == 0 then
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  as_of = math.huge
end

local blobs, newest, writes = {}, {}, {}
for row = 1, #fields - 1 do
  local i = row * 6
  local version, field, id, kind = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local blob = ARGV[i + 5]
  if version > published then blobs[#blobs + 1] = blob end
  if version > as_of then
    local read, hidden = ZERO, ZERO
    if marks[row + 1] then
      read = string.sub(marks[row + 1], 1, 32)
      hidden = string.sub(marks[row + 1], kind == 's' and 33 or 65, kind == 's' and 64 or 96)
    end
    if id > hidden then
      local current = newest[field] or (shown[row + 1] and string.sub(shown[row + 1], 1, 32))
      if not current or id >= current then
        newest[field] = id
        writes[#writes + 1] = field
        writes[#writes + 1] = id .. blob
      end
      if kind == 'r' and id > read then
        redis.call('HINCRBY', KEYS[3], field, 1)
      elseif kind == 'w' and ARGV[i + 4] ~= '' then
        local count, used = string.match(ARGV[i + 4], '^(%d+):(%x+)$')
        if used ~= read then
          -- the user read on while the worker counted: rebuild on next use
          redis.call('DEL', KEYS[2], KEYS[3], KEYS[5])
          as_of = math.huge
        elseif count == '0' then
          redis.call('HDEL', KEYS[3], field)
        else
          redis.call('HSET', KEYS[3], field, count)
        end
      end
    end
  end
end

if tonumber(last) > as_of then
  writes[#writes + 1] = '_'
  writes[#writes + 1] = last
  redis.call('HSET', KEYS[2], unpack(writes))
end
if ARGV[4] == '1' then
  for i = 2, 4 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
end
if #blobs > 0 then
  redis.call('SET', KEYS[1], last, 'EX', ARGV[3])
  redis.call('PUBLISH', ARGV[1], 'm' .. previous .. '\n' .. table.concat(blobs))
end
return published
