-- Take tokens from the buckets of some users (token bucket, RFC 2698 without colours).
--
-- KEYS buckets, one per user: hash t tokens left, at when that was (ms)
-- ARGV[1] tokens that come back per second, ARGV[2] most tokens, ARGV[3...] tokens wanted, per user
-- Time is the server's, so that processes with other clocks agree.
-- Returns for each user how many were granted, and in how many ms there is one again (0: now).

local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local answers = {}
for k = 1, #KEYS do
  local bucket = redis.call('HMGET', KEYS[k], 't', 'at')
  local tokens = tonumber(bucket[1]) or burst
  local at = tonumber(bucket[2]) or now
  if now > at then tokens = math.min(burst, tokens + (now - at) * rate / 1000) end
  local granted = math.min(tonumber(ARGV[2 + k]), math.floor(tokens))
  tokens = tokens - granted
  redis.call('HSET', KEYS[k], 't', tostring(tokens), 'at', now)
  redis.call('PEXPIRE', KEYS[k], math.ceil((burst - tokens) / rate * 1000) + 1000)
  answers[#answers + 1] = granted
  answers[#answers + 1] = tokens >= 1 and 0 or math.ceil((1 - tokens) / rate * 1000)
end
return answers
