-- Forgets what was held against a destination: it has answered.
--
-- KEYS  1 breaker  2 troubled destinations  3 those of the tenant
-- ARGV  1 digest of the destination
--
-- Returns 1 when its breaker was open, else 0
local was_open = redis.call('HEXISTS', KEYS[1], 'u')
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return was_open
