-- Give back a lock, unless it has passed to somebody else.
--
-- KEYS[1] lock    deleted when it holds ARGV[1]
-- ARGV[1] token

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
