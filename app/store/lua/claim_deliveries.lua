-- Claims subscriptions that have something to deliver, and what they have to deliver.
--
-- KEYS  1 outbox
-- ARGV  1 prefix of the partition's keys  2 horizon, ms  3 lease, ms  4 how many  5 how many events of each
--
-- A member `subscription` stands for the event behind its cursor and those that follow; a member
-- `subscription/sequence` for one delivery that left the fast lane. Members without anything to deliver (ended,
-- paused, expired, or all delivered) are taken out. A lease is told from a wait by its fraction, half a millisecond.
-- What belongs to a call is returned once, however many subscriptions refer to it.
--
-- Returns {Redis time in ms, {{{line, …}, call, sequence of the first event, {event, …}}, …},
--          {{member, due in ms, tenant, body, cursor, failures, index into the second, when a slow head is due in ms or nil,
--            when the subscription was changed last or nil}, …}}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local pool, index, claimed = {}, {}, {}

local function events_of(watch, first, count)
  local name = watch .. ' ' .. first .. ' ' .. count
  if not index[name] then
    local wanted = {'i'}
    for sequence = first, first + count - 1 do
      wanted[#wanted + 1] = sequence
    end
    local line = redis.call('HVALS', ARGV[1] .. 'line:' .. string.sub(watch, 1, 12))
    -- What is not there is false, and a list ends there.
    local call, events = nil, redis.call('HMGET', ARGV[1] .. 'w' .. watch, unpack(wanted))
    call = table.remove(events, 1)
    while #events > 0 and not events[#events] do
      events[#events] = nil
    end
    if #line == 0 or not call or #events == 0 then
      return nil
    end
    pool[#pool + 1] = {line, call, first, events}
    index[name] = #pool
  end
  return index[name]
end

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now + ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #due, 2 do
  local member, score = due[i], math.floor(tonumber(due[i + 1]))
  local subscription, parked = string.match(member, '^([^/]+)/?(%d*)$')
  local key = ARGV[1] .. 's' .. string.sub(subscription, 7)
  local fields = redis.call('HMGET', key, 'w', 't', 'st', 'c', 'a', 'n', 'u', 'b', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7')
  local failures, events = fields[5], nil
  if fields[1] and fields[3] == 'active' then
    if parked == '' then
      events = events_of(fields[1], fields[4] + 1, tonumber(ARGV[5]))
    else
      failures = redis.call('HGET', key, 'r' .. parked)
      events = failures and events_of(fields[1], tonumber(parked), 1)
    end
  end
  if events then
    redis.call('ZADD', KEYS[1], string.format('%.1f', math.max(score, now) + ARGV[3] - 0.5), member)
    local body = {}
    for place = 8, #fields do
      body[#body + 1] = fields[place] or ''
    end
    claimed[#claimed + 1] =
      {member, score, fields[2], table.concat(body), fields[4], failures, events, parked == '' and fields[6], fields[7]}
  else
    redis.call('ZREM', KEYS[1], member)
  end
end
return {now, pool, claimed}
