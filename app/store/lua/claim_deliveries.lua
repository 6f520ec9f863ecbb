-- Claims subscriptions that have something to deliver, and what they have to deliver.
--
-- KEYS  1 outbox
-- ARGV  1 prefix of the partition's keys  2 horizon, ms  3 lease, ms  4 how many  5 how many events of each
--
-- A member `subscription` stands for the event behind its cursor and those that follow; a member
-- `subscription/sequence` for one delivery that left the fast lane. Members without anything to deliver (ended,
-- paused, expired, or all delivered) are taken out. A lease is told from a wait by its fraction, half a millisecond.
-- Events and keys of a call are returned once, however many subscriptions refer to them.
--
-- Returns {Redis time in ms, {{watch key, sequence of the first event, {event, …}}, …},
--          {{member, due in ms, tenant, body, cursor, failures, index into the second, when a slow head is due in ms or nil,
--            when the subscription was changed last or nil}, …}}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local pool, index, claimed = {}, {}, {}

local function events_of(watch, first, count)
  local name = watch .. ' ' .. first .. ' ' .. count
  if not index[name] then
    local events = redis.call('LRANGE', ARGV[1] .. 'events:' .. watch, first - 1, first + count - 2)
    local key = redis.call('HGET', ARGV[1] .. 'watch:' .. watch, 'k')
    if not key or #events == 0 then
      return nil
    end
    pool[#pool + 1] = {key, first, events}
    index[name] = #pool
  end
  return index[name]
end

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now + ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #due, 2 do
  local member, score = due[i], math.floor(tonumber(due[i + 1]))
  local subscription, parked = string.match(member, '^([^/]+)/?(%d*)$')
  local key = ARGV[1] .. 'sub:' .. subscription
  local fields = redis.call('HMGET', key, 'w', 't', 'st', 'b', 'c', 'a', 'n', 'u')
  local failures, events = fields[6], nil
  if fields[1] and fields[3] == 'active' then
    if parked == '' then
      events = events_of(fields[1], fields[5] + 1, tonumber(ARGV[5]))
    else
      failures = redis.call('HGET', key, 'r' .. parked)
      events = failures and events_of(fields[1], tonumber(parked), 1)
    end
  end
  if events then
    redis.call('ZADD', KEYS[1], string.format('%.1f', math.max(score, now) + ARGV[3] - 0.5), member)
    claimed[#claimed + 1] = {member, score, fields[2], fields[4], fields[5], failures, events, parked == '' and fields[7], fields[8]}
  else
    redis.call('ZREM', KEYS[1], member)
  end
end
return {now, pool, claimed}
