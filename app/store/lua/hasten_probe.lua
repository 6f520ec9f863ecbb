-- Lets the next attempt at a destination through as a probe, because somebody asked for it by hand.
--
-- KEYS  1 breaker  2 troubled destinations
-- ARGV  1 digest of the destination
--
-- Returns 1 when its breaker was open, else 0
if redis.call('HEXISTS', KEYS[1], 'u') == 0 then
  return 0
end
-- A gate: a full Redis lets a script write whose first write takes no memory, and this one changes nothing.
redis.call('ZREM', KEYS[2], '')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('HSET', KEYS[1], 'u', now)
redis.call('ZADD', KEYS[2], now, ARGV[1])
return 1
