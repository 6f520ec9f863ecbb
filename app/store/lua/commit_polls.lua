-- Records polls, each wholly or not at all.
--
-- KEYS  1 due  2 outbox  3 journal
-- ARGV  1 prefix of the partition's keys  2 retention, ms  3 length of the journal  then for each poll
--       watch id, version that was claimed, when polled in ms, next due in ms, new state or '' when unchanged,
--       what was told once or '' when unchanged, final type or '', number of events n, and n times {event, type, id}
--
-- 1. A version other than the one that was claimed: somebody else was faster, nothing is written.
-- 2. Without a change only the time of the poll, the next due time, the count and the version are written: of two polls
--    of one call at the same time one counts. A call that is not polled any more notes when it would be due.
-- 3. Else the state and the events are written, which count on from those there are, and each live subscription that
--    wants one of the events has something to deliver. One that is already in the outbox keeps its place there, for it
--    may be leased; but a head that fails slowly is tried at once, so that what is new waits for nothing but a last try
--    of its elder.
-- 4. With a final type the watch is over: it leaves `due`, and its keys live for the retention time. Its
--    subscriptions are not counted as active any more.
-- 5. The journal is told of events last and without a claim to succeed: a Redis user who may not write it yet is no
--    reason to lose a record.
-- 6. It works at the limit of Redis' memory too (gate): what could not be recorded would be asked again.
--
-- Returns for each poll 0 (stale), 1 (recorded) or 2 (recorded, with something to deliver), then the time in ms
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- A version: counted, it might come again when a failover has lost some, and a poll be recorded on what it never saw.
local moment = string.format('%d%06d', clock[1], clock[2])

local function wants(filter, types, final)
  if filter == '*' then
    return true
  end
  local padded = ',' .. filter .. ','
  if final ~= '' and string.find(padded, ',final,', 1, true) then
    return true
  end
  for _, kind in ipairs(types) do
    if string.find(padded, ',' .. kind .. ',', 1, true) then
      return true
    end
  end
  return false
end

local function hasten(subscription)
  local sub = ARGV[1] .. 's' .. string.sub(subscription, 7)
  if redis.call('ZSCORE', KEYS[2], subscription) % 1 ~= 0 then
    if tonumber(redis.call('HGET', sub, 'a') or 0) > 0 then
      redis.call('HSETNX', sub, 'h', 'new')
    end
  elseif redis.call('HEXISTS', sub, 'n') == 1 then
    redis.call('ZADD', KEYS[2], now, subscription)
  end
end

local function queue(registrations, types, final)
  local queued = 1
  for _, value in ipairs(redis.call('HVALS', registrations)) do
    local subscription, filter = string.match(value, '^([^ ]+) (.*)$')
    if wants(filter, types, final) then
      if redis.call('ZADD', KEYS[2], 'NX', now, subscription) == 0 then
        hasten(subscription)
      end
      queued = 2
    end
  end
  return queued
end

local function uncount(registrations)
  for _, value in ipairs(redis.call('HVALS', registrations)) do
    local subscription = string.match(value, '^[^ ]+')
    local tenant = redis.call('HGET', ARGV[1] .. 's' .. string.sub(subscription, 7), 't')
    if tenant then
      local active, period = ARGV[1] .. 'active:' .. tenant, string.sub(subscription, 7, 10)
      if redis.call('HINCRBY', active, period, -1) <= 0 then
        redis.call('HDEL', active, period)
      end
    end
  end
end

-- A gate: a full Redis lets a script write whose first write takes no memory, and this one changes nothing.
redis.call('ZREM', KEYS[1], '')
local results, at = {}, 4
while at <= #ARGV do
  local id, version, polled, due, state, told, final, count = unpack(ARGV, at, at + 7)
  at = at + 8
  local watch, registrations = ARGV[1] .. 'w' .. id, ARGV[1] .. 'r' .. id
  local before = redis.call('HMGET', watch, 'v', 'e', 'n')
  if before[1] ~= version then
    results[#results + 1] = 0
  else
    local result, types, ids = 1, {}, {}
    local changed = {'p', polled, 'v', moment, 'n', tonumber(before[3] or 0) + 1}
    local function set(field, value)
      changed[#changed + 1] = field
      changed[#changed + 1] = value
    end
    if state ~= '' then
      set('s', state)
    end
    if told ~= '' then
      set('x', told)
    end
    if final ~= '' then
      set('f', final)
    end
    local written = tonumber(before[2] or 0)
    for i = 1, tonumber(count) do
      set(written + i, ARGV[at + 3 * i - 3])
      types[i] = ARGV[at + 3 * i - 2]
      ids[i] = ARGV[at + 3 * i - 1]
    end
    if #types > 0 then
      set('e', written + #types)
      result = queue(registrations, types, final)
    end
    local still_due = final == '' and redis.call('ZSCORE', KEYS[1], id)
    if final == '' and not still_due then
      set('d', due)
    end
    -- A thousand events are more than fit into one call.
    for from = 1, #changed, 1000 do
      redis.call('HSET', watch, unpack(changed, from, math.min(from + 999, #changed)))
    end
    if final ~= '' then
      redis.call('ZREM', KEYS[1], id)
      uncount(registrations)
      redis.call('PEXPIRE', watch, ARGV[2])
      redis.call('PEXPIRE', registrations, ARGV[2])
    elseif still_due then
      redis.call('ZADD', KEYS[1], due, id)
    end
    if #types > 0 then
      redis.pcall('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'w', id, 's', written + 1, 'i', table.concat(ids, ' '))
    end
    results[#results + 1] = result
  end
  at = at + count * 3
end
results[#results + 1] = now
return results
