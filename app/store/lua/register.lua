-- Registers a subscription, and its call if nobody follows it yet.
--
-- KEYS  1 due  2 outbox  3 watch  4 events  5 subs  6 sub  7 the tenant's index of the call
--       8 the tenant's index of the partition
-- ARGV  1 watch id  2 subscription id  3 registration digest  4 filter  5 watch key  6 watch state
--       7 tenant id  8 subscription body  9 lifetime of all keys, ms  10 oldest id that can still be alive
--       11 status  12 prefix of the partition's keys
--
-- 1. The same tenant, call and URL: nothing is written, the id of the one there is returned. One whose own key
--    has expired (its call may live longer, if somebody subscribed later) is not there any more.
-- 2. A call not yet known is written down; one that is not being polled and has not ended becomes due, now or
--    when its pace allows, and is followed from now on for as long as any.
-- 3. The subscription is written with its cursor before the first event; if there are events, it has something
--    to deliver now.
--
-- Returns {created 0|1, subscription id, poll now 0|1, deliver now 0|1, Redis time in ms}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local present = redis.call('HGET', KEYS[5], ARGV[3])
if present then
  local id = string.match(present, '^[^ ]+')
  if redis.call('EXISTS', ARGV[12] .. 'sub:' .. id) == 1 then
    return {0, id, 0, 0, now}
  end
end

if redis.call('HSETNX', KEYS[3], 'k', ARGV[5]) == 1 then
  redis.call('HSET', KEYS[3], 's', ARGV[6], 'v', 0)
end
local poll = 0
if redis.call('HEXISTS', KEYS[3], 'f') == 0 then
  local due = math.max(now, tonumber(redis.call('HGET', KEYS[3], 'd') or 0))
  if redis.call('ZADD', KEYS[1], 'NX', due, ARGV[1]) == 1 then
    redis.call('HSET', KEYS[3], 'k', ARGV[5])
    redis.call('HDEL', KEYS[3], 'd')
    poll = due == now and 1 or 0
  end
end

redis.call('HSET', KEYS[5], ARGV[3], ARGV[2] .. ' ' .. ARGV[4])
redis.call('HSET', KEYS[6], 'w', ARGV[1], 't', ARGV[7], 'd', ARGV[3], 'st', ARGV[11], 'b', ARGV[8], 'c', 0, 'a', 0)
redis.call('RPUSH', KEYS[7], ARGV[2])
redis.call('ZREMRANGEBYLEX', KEYS[8], '-', '(' .. ARGV[10])
redis.call('ZADD', KEYS[8], 0, ARGV[2])
local deliver = 0
if redis.call('EXISTS', KEYS[4]) == 1 then
  deliver = redis.call('ZADD', KEYS[2], 'NX', now, ARGV[2])
end

for key = 3, 8 do
  if redis.call('PTTL', KEYS[key]) < tonumber(ARGV[9]) then
    redis.call('PEXPIRE', KEYS[key], ARGV[9])
  end
end
return {1, ARGV[2], poll, deliver, now}
