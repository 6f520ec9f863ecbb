-- Ends a subscription: cancelled by its tenant, or disabled because its receiver answered 410.
--
-- KEYS  1 due  2 outbox  3 subscription  4 watch  5 registrations  6 log
-- ARGV  1 subscription id  2 watch id  3 status to set  4 attempt to log or ''  5 prefix of the partition's keys
--       6 when it was changed last, as far as the caller knows, or *
--
-- 1. An attempt is logged as settle_deliveries.lua does, in any case: it was made.
-- 2. A subscription that has ended already stays as it is; so does one that has changed since the caller read it,
--    for the receiver that is gone may not be its receiver any more.
-- 3. Its places in the outbox and its claim on new events go. It is not counted as active any more; one whose call
--    has ended, or is not known any more, was not.
-- 4. A call that nobody subscribes to any more is not polled any more; it notes when it would have been due, so
--    that a new registration, which wakes it up, does not hasten its pace.
--
-- Returns 1 when it ended now, else 0
-- A gate: a full Redis lets a script write whose first write takes no memory, and this one changes nothing.
redis.call('ZREM', KEYS[1], '')
local fields = redis.call('HMGET', KEYS[3], 'st', 'd', 't', 'u', 'l')
local count = tonumber(fields[5] or 0)
if ARGV[4] ~= '' and fields[1] and count >= 0 and #ARGV[4] <= 64 then
  redis.call('HSET', KEYS[3], 'l' .. (count + 1), ARGV[4], 'l', count + 1)
elseif ARGV[4] ~= '' and fields[1] then
  for place = 1, count do
    redis.call('RPUSH', KEYS[6], redis.call('HGET', KEYS[3], 'l' .. place))
    redis.call('HDEL', KEYS[3], 'l' .. place)
  end
  redis.call('HSET', KEYS[3], 'l', -1)
  redis.call('RPUSH', KEYS[6], ARGV[4])
  redis.call('PEXPIRE', KEYS[6], redis.call('PTTL', KEYS[3]))
end
if not fields[1] or fields[1] == 'cancelled' or fields[1] == 'disabled' then
  return 0
end
if ARGV[6] ~= '*' and ARGV[6] ~= (fields[4] or '') then
  return 0
end
local clock = redis.call('TIME')
redis.call('HSET', KEYS[3], 'st', ARGV[3], 'u', clock[1] * 1000 + math.floor(clock[2] / 1000))
redis.call('ZREM', KEYS[2], ARGV[1])
for _, field in ipairs(redis.call('HKEYS', KEYS[3])) do
  local sequence = string.match(field, '^r(%d+)$')
  if sequence then
    redis.call('ZREM', KEYS[2], ARGV[1] .. '/' .. sequence)
    redis.call('HDEL', KEYS[3], field)
  end
end
redis.call('HDEL', KEYS[3], 'n', 'h')
redis.call('HDEL', KEYS[5], fields[2])
if redis.call('EXISTS', KEYS[4]) == 1 and redis.call('HEXISTS', KEYS[4], 'f') == 0 then
  local active, period = ARGV[5] .. 'active:' .. fields[3], string.sub(ARGV[1], 7, 10)
  if redis.call('HINCRBY', active, period, -1) <= 0 then
    redis.call('HDEL', active, period)
  end
end
local due = redis.call('EXISTS', KEYS[5]) == 0 and redis.call('ZSCORE', KEYS[1], ARGV[2])
if due then
  redis.call('ZREM', KEYS[1], ARGV[2])
  if redis.call('EXISTS', KEYS[4]) == 1 then
    redis.call('HSET', KEYS[4], 'd', due)
  end
end
return 1
