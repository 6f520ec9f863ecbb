-- Counts a failed attempt against its destination, and opens the breaker when there were enough in a row.
--
-- KEYS  1 breaker  2 troubled destinations  3 those of the tenant
-- ARGV  1 digest of the destination  2 the destination  3 what failed  4 1 when the attempt was the probe, else 0
--       5 failures that open it  6 how long a closed one is remembered, ms  7 how long an open one is, ms
--       then the cool-downs in ms
--
-- 1. The failure is counted. A breaker that is closed opens when there are enough.
-- 2. The probe's failure opens it again, for longer.
-- 3. Any other failure while it is open was under way when it opened, and changes nothing.
--
-- Returns {1 when it opened now, else 0; until when it is open in ms or 0; Redis time in ms}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local COOLDOWNS = 7
local failures = redis.call('HINCRBY', KEYS[1], 'f', 1)
redis.call('HSETNX', KEYS[1], 't', now)
redis.call('HSET', KEYS[1], 'd', ARGV[2], 'e', ARGV[3])
local open_until = tonumber(redis.call('HGET', KEYS[1], 'u') or 0)
local opens = ARGV[4] == '1' or (open_until == 0 and failures >= tonumber(ARGV[5]))
if opens then
  local times = redis.call('HINCRBY', KEYS[1], 'o', 1)
  open_until = now + ARGV[COOLDOWNS + math.min(times, #ARGV - COOLDOWNS)]
  redis.call('HSET', KEYS[1], 'u', open_until)
  redis.call('HDEL', KEYS[1], 'p')
end
redis.call('PEXPIRE', KEYS[1], open_until == 0 and ARGV[6] or ARGV[7])
for place = 2, 3 do
  redis.call('ZADD', KEYS[place], now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[place], '-inf', now - ARGV[7])
  redis.call('PEXPIRE', KEYS[place], ARGV[7])
end
return {opens and 1 or 0, open_until, now}
