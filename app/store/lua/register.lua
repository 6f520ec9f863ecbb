-- Registers subscriptions, and their calls where nobody follows them yet.
--
-- KEYS  1 due  2 outbox
-- ARGV  1 prefix of the partition's keys  2 lifetime of all keys, ms  3 oldest id that can still be alive
--       4 status of a new subscription  then for each subscription
--       watch id, subscription id, registration digest, filter, watch key, watch state, tenant id, body, call SID,
--       room for one more active subscription 0|1, most subscriptions of the call or ''
--
-- 1. The same tenant, call and URL: nothing is written, the one there is returned. One whose own key
--    has expired (its call may live longer, if somebody subscribed later) is not there any more.
-- 2. A new one for which the tenant has no room is refused, and nothing of it is written. One of a call that has
--    ended takes no room. What the tenant has of the call is counted only for a tenant that is bound.
-- 3. A call not yet known is written down; one that is not being polled and has not ended becomes due, now or
--    when its pace allows, and is followed from now on for as long as any.
-- 4. The subscription is written with its cursor before the first event; if there are events, it has something
--    to deliver now. It is counted as active until it or its call ends (keys.py says how).
--
-- Returns for each subscription
--   {0, id, final type, status, body, cursor, changed ms}   it was there
--   {1, id, final type, poll now 0|1, deliver now 0|1}      it is new
--   {2} or {3}                                              no room for an active one, or for one of this call
-- with '' for a final type that is not known yet, and then the time in ms
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lifetime = tonumber(ARGV[2])

local function prolong(...)
  for _, key in ipairs({...}) do
    if redis.call('PTTL', key) < lifetime then
      redis.call('PEXPIRE', key, lifetime)
    end
  end
end

-- Returns the one that is there, if any.
local function there(subs, digest, final)
  local id = string.match(redis.call('HGET', subs, digest) or '', '^[^ ]+')
  local kept = id and redis.call('HMGET', ARGV[1] .. 'sub:' .. id, 'st', 'b', 'c', 'u')
  return kept and kept[1] and {0, id, final, kept[1], kept[2], kept[3], kept[4] or ''}
end

local function full(subs, tenant, most)
  if redis.call('HLEN', subs) < most then
    return false
  end
  local count = 0
  for _, value in ipairs(redis.call('HVALS', subs)) do
    if redis.call('HGET', ARGV[1] .. 'sub:' .. string.match(value, '^[^ ]+'), 't') == tenant then
      count = count + 1
    end
  end
  return count >= most
end

local function follow(id, watch, key, state)
  if redis.call('HSETNX', watch, 'k', key) == 1 then
    redis.call('HSET', watch, 's', state, 'v', 0)
  end
  local due = math.max(now, tonumber(redis.call('HGET', watch, 'd') or 0))
  if redis.call('ZADD', KEYS[1], 'NX', due, id) == 0 then
    return 0
  end
  redis.call('HSET', watch, 'k', key)
  redis.call('HDEL', watch, 'd')
  return due == now and 1 or 0
end

local function count(tenant, id)
  local active = ARGV[1] .. 'active:' .. tenant
  if redis.call('HINCRBY', active, string.sub(id, 7, 10), 1) == 1 then
    for _, period in ipairs(redis.call('HKEYS', active)) do
      if period < string.sub(ARGV[3], 7, 10) then
        redis.call('HDEL', active, period)
      end
    end
  end
  prolong(active)
end

local function register(watch_id, id, digest, filter, key, state, tenant, body, sid, room, most)
  local watch, subs = ARGV[1] .. 'watch:' .. watch_id, ARGV[1] .. 'subs:' .. watch_id
  local final = redis.call('HGET', watch, 'f') or ''
  local present = there(subs, digest, final)
  if present then
    return present
  elseif final == '' and room == '0' then
    return {2}
  elseif most ~= '' and full(subs, tenant, tonumber(most)) then
    return {3}
  end
  local poll, deliver = final == '' and follow(watch_id, watch, key, state) or 0, 0
  local sub, call, of = ARGV[1] .. 'sub:' .. id, ARGV[1] .. 'call:' .. tenant .. ':' .. sid, ARGV[1] .. 'of:' .. tenant
  redis.call('HSET', subs, digest, id .. ' ' .. filter)
  redis.call('HSET', sub, 'w', watch_id, 't', tenant, 'd', digest, 'st', ARGV[4], 'b', body, 'c', 0, 'a', 0)
  redis.call('RPUSH', call, id)
  redis.call('ZREMRANGEBYLEX', of, '-', '(' .. ARGV[3])
  redis.call('ZADD', of, 0, id)
  if redis.call('EXISTS', ARGV[1] .. 'events:' .. watch_id) == 1 then
    deliver = redis.call('ZADD', KEYS[2], 'NX', now, id)
  end
  if final == '' then
    count(tenant, id)
  end
  redis.call('PEXPIRE', sub, lifetime)
  prolong(watch, ARGV[1] .. 'events:' .. watch_id, subs, call, of)
  return {1, id, final, poll, deliver}
end

local results = {}
for at = 5, #ARGV, 11 do
  results[#results + 1] = register(unpack(ARGV, at, at + 10))
end
results[#results + 1] = now
return results
