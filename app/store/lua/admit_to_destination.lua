-- Says whether an attempt may be made at a destination that has had failures.
--
-- KEYS  1 breaker
-- ARGV  1 how long a probe may take, ms  2 when to ask again while another's probe is under way, ms
--
-- 1. Without a breaker, or with a closed one, the attempt may be made.
-- 2. An open one says until when it is open.
-- 3. When that is over, one attempt is let through as the probe; the others ask again soon.
--
-- Returns {0 admitted | 1 admitted as the probe | 2 refused | 3 admitted, nothing is known against it,
--          until when in ms, failing since when in ms, Redis time in ms}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local fields = redis.call('HMGET', KEYS[1], 'u', 'p', 't')
local open_until, probe_until, since = tonumber(fields[1] or 0), tonumber(fields[2] or 0), tonumber(fields[3] or 0)
if not fields[3] then
  return {3, 0, 0, now}
end
if open_until == 0 then
  return {0, 0, since, now}
end
if now < open_until then
  return {2, open_until, since, now}
end
if now < probe_until then
  return {2, now + ARGV[2], since, now}
end
redis.call('HSET', KEYS[1], 'p', now + ARGV[1])
return {1, 0, since, now}
