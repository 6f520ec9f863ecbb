-- Registers subscriptions, and their calls where nobody follows them yet.
--
-- KEYS  1 due  2 outbox
-- ARGV  1 prefix of the partition's keys  2 lifetime of all keys, ms  3 oldest id that can still be alive
--       4 status of a new subscription  5 field of a line's, by the key that seals it  then for each subscription
--       watch id, subscription id, registration digest, filter, line, call, tenant id, body, digest of tenant and SID,
--       room for one more active subscription 0|1, most subscriptions of the call or '', span of the registration or ''
--
-- 1. The same tenant, call and URL: nothing is written, the one there is returned. One whose own key
--    has expired (its call may live longer, if somebody subscribed later) is not there any more.
-- 2. A new one for which the tenant has no room is refused, and nothing of it is written. One of a call that has
--    ended takes no room. What the tenant has of the call is counted only for a tenant that is bound.
-- 3. A call not yet known is written down; one that is not being polled and has not ended becomes due, now or
--    when its pace allows, and is followed from now on for as long as any; so a poll that was claimed before, which
--    goes by how long it was followed then, must not end it: the version moves. Its polls belong to the trace of the
--    first registration that is traced.
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
-- A version, as commit_polls.lua makes them.
local moment = string.format('%d%06d', clock[1], clock[2])
local lifetime = tonumber(ARGV[2])
local PIECES = {'b', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7'}
-- What many share lives on for longer than it must, so that not each of them prolongs it.
local SLACK = 600000

local function prolong(key, slack)
  if redis.call('PTTL', key) < lifetime then
    redis.call('PEXPIRE', key, lifetime + slack)
  end
end

-- Returns what to write of a body in pieces of 64 bytes, the last of which takes what is left.
local function pieces(body)
  local fields = {}
  for place = 1, math.min(math.ceil(#body / 64), #PIECES) do
    fields[place * 2 - 1] = PIECES[place]
    fields[place * 2] = string.sub(body, place * 64 - 63, place < #PIECES and place * 64 or -1)
  end
  return fields
end

-- Returns the one that is there, if any.
local function there(subs, digest, final)
  local id = string.match(redis.call('HGET', subs, digest) or '', '^[^ ]+')
  local kept = id and redis.call('HMGET', ARGV[1] .. 's' .. string.sub(id, 7), 'st', 'c', 'u', unpack(PIECES))
  if not kept or not kept[1] then
    return nil
  end
  local body = ''
  for place = 4, #kept do
    body = body .. (kept[place] or '')
  end
  return {0, id, final, kept[1], body, kept[2], kept[3] or ''}
end

local function full(subs, tenant, most)
  if redis.call('HLEN', subs) < most then
    return false
  end
  local count = 0
  for _, value in ipairs(redis.call('HVALS', subs)) do
    if redis.call('HGET', ARGV[1] .. 's' .. string.match(value, '^......([^ ]+)'), 't') == tenant then
      count = count + 1
    end
  end
  return count >= most
end

local function follow(id, watch, call)
  local new = redis.call('HSETNX', watch, 'i', call) == 1
  if new then
    redis.call('HSET', watch, 'v', 0)
  end
  local due = math.max(now, tonumber(redis.call('HGET', watch, 'd') or 0))
  if redis.call('ZADD', KEYS[1], 'NX', due, id) == 0 then
    return 0
  end
  if not new then
    redis.call('HSET', watch, 'g', now, 'v', moment)
    redis.call('HDEL', watch, 'd')
  end
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
  prolong(active, SLACK)
end

local function register(watch_id, id, digest, filter, line, call, tenant, body, sid, room, most, span)
  local watch, subs = ARGV[1] .. 'w' .. watch_id, ARGV[1] .. 'r' .. watch_id
  local known = redis.call('HMGET', watch, 'f', 'e')
  local final = known[1] or ''
  local present = there(subs, digest, final)
  if present then
    return present
  elseif final == '' and room == '0' then
    return {2}
  elseif most ~= '' and full(subs, tenant, tonumber(most)) then
    return {3}
  end
  local poll, deliver = final == '' and follow(watch_id, watch, call) or 0, 0
  local short = string.sub(id, 7)
  local sub, of_call, of = ARGV[1] .. 's' .. short, ARGV[1] .. 'c' .. sid, ARGV[1] .. 'of:' .. tenant
  redis.call('HSET', subs, digest, id .. ' ' .. filter)
  redis.call('HSET', sub, 'w', watch_id, 't', tenant, 'd', digest, 'st', ARGV[4], 'c', 0, 'a', 0, unpack(pieces(body)))
  redis.call('APPEND', of_call, short)
  redis.call('ZREMRANGEBYLEX', of, '-', '(' .. ARGV[3])
  redis.call('ZADD', of, 0, id)
  if known[2] then
    deliver = redis.call('ZADD', KEYS[2], 'NX', now, id)
  end
  if final == '' then
    count(tenant, id)
    if span ~= '' then
      redis.call('HSETNX', watch, 't', span)
    end
  end
  redis.call('PEXPIRE', sub, lifetime)
  for _, key in ipairs({watch, subs, of_call}) do
    prolong(key, 0)
  end
  local shared = ARGV[1] .. 'line:' .. string.sub(watch_id, 1, 12)
  redis.call('HSETNX', shared, ARGV[5], line)
  prolong(shared, SLACK)
  prolong(of, SLACK)
  return {1, id, final, poll, deliver}
end

local results = {}
for at = 6, #ARGV, 12 do
  results[#results + 1] = register(unpack(ARGV, at, at + 11))
end
results[#results + 1] = now
return results
