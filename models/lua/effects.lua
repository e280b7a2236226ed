-- Apply rows of some mailboxes of a shard to their owners' caches and publish them. Replays change
-- nothing. Each mailbox for itself: what must be looked up for one leaves the others applied. Where
-- Redis refuses a write the call ends there, with those before it applied; then all are repeated.
--
-- KEYS: five for each mailbox
--   latest     string, version of the newest row published; the guard of publishing
--   contacts   hash, conversation -> id .. message; field _ is the version it and unread are true
--              for, and guards both
--   unread     hash, conversation -> count; field _ tells an empty hash from a missing one
--   marks      hash, conversation -> read .. cleared_sent .. cleared_received (32 hex each); field _
--              as in unread
--   lease      deleted when a hash is missing, so that a rebuild under way starts over
-- and at the end
--   lock       of the shard; must hold ARGV[1], or nothing is done
-- ARGV[1] token of the delivery, ARGV[2] seconds the keys live; then four for each mailbox
--   channel
--   before     version of the mailbox before these rows, for when `latest` is gone; empty: not known;
--              ">N": these rows follow others of the same pass, which ended with version N
--   renew      1: let the hashes live that much longer
--   count      of its rows
-- and six for each of its rows, ascending versions
--   version, conversation, id, kind (s sent, r received, w received and recalled),
--   recount ("" or count .. ":" .. the read id it was made with), encoded message
-- Returns for each mailbox the version before these rows, or -1 when it must be looked up and passed
-- as `before`, or when the rows before these were not published (somebody set `latest` between);
-- {-2} without the lock.

local call, sub = redis.call, string.sub
if call('GET', KEYS[#KEYS]) ~= ARGV[1] then return {-2} end
local TTL = ARGV[2]
local ZERO = string.rep('0', 32)

-- The mailbox whose keys begin at KEYS[key] and whose rows begin at ARGV[first].
local function apply(key, channel, before, renew, first, count)
  local latest, contacts, unread = KEYS[key], KEYS[key + 1], KEYS[key + 2]
  local marks_key, lease = KEYS[key + 3], KEYS[key + 4]
  local previous = call('GET', latest)
  if sub(before, 1, 1) == '>' then
    if not previous or tonumber(previous) < tonumber(sub(before, 2)) then return -1 end
  else
    previous = previous or before
    if previous == '' then return -1 end
  end
  local published = tonumber(previous)
  local last = ARGV[first + 6 * (count - 1)]

  local fields = {'_'}
  for row = 1, count do fields[row + 1] = ARGV[first + 6 * row - 5] end
  local marks = call('HMGET', marks_key, unpack(fields))
  local shown = call('HMGET', contacts, unpack(fields))
  local as_of = shown[1] and tonumber(shown[1])
  if not as_of or not marks[1] or call('HEXISTS', unread, '_') == 0 then
    call('DEL', contacts, unread, marks_key, lease)
    as_of = math.huge
  end

  local blobs, newest, writes = {}, {}, {}
  for row = 1, count do
    local i = first + 6 * (row - 1)
    local version, field, id, kind = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    local blob = ARGV[i + 5]
    if version > published then blobs[#blobs + 1] = blob end
    if version > as_of then
      local read, hidden = ZERO, ZERO
      if marks[row + 1] then
        read = sub(marks[row + 1], 1, 32)
        hidden = sub(marks[row + 1], kind == 's' and 33 or 65, kind == 's' and 64 or 96)
      end
      if id > hidden then
        local current = newest[field] or (shown[row + 1] and sub(shown[row + 1], 1, 32))
        if not current or id >= current then
          newest[field] = id
          writes[#writes + 1] = field
          writes[#writes + 1] = id .. blob
        end
        if kind == 'r' and id > read then
          call('HINCRBY', unread, field, 1)
        elseif kind == 'w' and ARGV[i + 4] ~= '' then
          local recount, used = string.match(ARGV[i + 4], '^(%d+):(%x+)$')
          if used ~= read then
            -- the user read on while the worker counted: rebuild on next use
            call('DEL', contacts, unread, lease)
            as_of = math.huge
          elseif recount == '0' then
            call('HDEL', unread, field)
          else
            call('HSET', unread, field, recount)
          end
        end
      end
    end
  end

  if tonumber(last) > as_of then
    writes[#writes + 1] = '_'
    writes[#writes + 1] = last
    call('HSET', contacts, unpack(writes))
  end
  if renew == '1' then
    for _, name in ipairs({contacts, unread, marks_key}) do call('EXPIRE', name, TTL) end
  end
  if #blobs > 0 then
    call('SET', latest, last, 'EX', TTL)
    call('PUBLISH', channel, 'm' .. previous .. '\n' .. table.concat(blobs))
  end
  return published
end

local answers = {}
local key, head = 1, 3
while key < #KEYS do
  local count = tonumber(ARGV[head + 3])
  answers[#answers + 1] = apply(key, ARGV[head], ARGV[head + 1], ARGV[head + 2], head + 4, count)
  key, head = key + 5, head + 4 + 6 * count
end
return answers
