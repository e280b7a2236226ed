-- Record in the caches that a user has read a conversation.
--
-- KEYS[1] contacts   field _ tells the version the caches are true for; only read
-- KEYS[2] unread     the conversation's field is set to ARGV[4], or deleted when that is zero
-- KEYS[3] marks      the conversation's read id moves forward
-- KEYS[4] lease      deleted when a hash is missing, so that a rebuild under way starts over
-- ARGV[1] conversation, ARGV[2] read id (32 hex)
-- ARGV[3] version up to which ARGV[4], the unread count, was made
-- Returns the version the caches are at: the caller counts again when it is not ARGV[3]; `again` when
-- the user has read further than the count was made for.
-- Empty when there was nothing to record in.

local as_of = redis.call('HGET', KEYS[1], '_')
local whole = redis.call('HEXISTS', KEYS[2], '_') + redis.call('HEXISTS', KEYS[3], '_') == 2
if not as_of or not whole then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  return ''
end
if as_of ~= ARGV[3] then return as_of end

local ZERO = string.rep('0', 32)
local marks = redis.call('HGET', KEYS[3], ARGV[1]) or (ZERO .. ZERO .. ZERO)
if string.sub(marks, 1, 32) > ARGV[2] then return 'again' end
if string.sub(marks, 1, 32) < ARGV[2] then
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[2] .. string.sub(marks, 33))
end
if ARGV[4] == '0' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
end
return as_of
