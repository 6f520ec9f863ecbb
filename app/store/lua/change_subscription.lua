-- Changes a subscription: where to and what it delivers, and whether it is paused. Wholly, or not at all.
--
-- KEYS  1 outbox  2 subscription  3 watch  4 registrations
-- ARGV  1 prefix of the partition's keys  2 subscription id  3 body that was read  4 body to store
--       5 number of events that it was packed for  6 registration digest  7 filter  8 status to store or ''
--
-- 1. Another body than was read, or another number of events, which decides whose metadata changes: the caller
--    reads again.
-- 2. The registration moves with the URL; one that another living subscription holds is refused, and left to it
--    when it was there before: registrations of a call that has ended may expire before its subscriptions.
-- 3. What changes nothing writes nothing.
-- 4. Paused: its places leave the outbox, but for a leased one: an attempt is under way there, and its lease keeps
--    it from being made twice should the subscription be resumed meanwhile.
-- 5. Resumed, or sent elsewhere: whatever is to be delivered has its places, due now. Another filter: what was
--    held back so far may be wanted, so the head has a place too; one that was there keeps its time. Where an
--    attempt is under way, its end is waited for.
--
-- Returns 0 (none there any more), 1 (ended before), 2 (URL taken), 3 (stale), 4 (changed, or nothing to change) or
--         5 (changed, and something is due now)
local PIECES = {'b', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7'}

-- Writes the body in pieces of 64 bytes, the last of which takes what is left.
local function write(body)
  for place, field in ipairs(PIECES) do
    local piece = string.sub(body, place * 64 - 63, place < #PIECES and place * 64 or -1)
    if piece == '' then
      redis.call('HDEL', KEYS[2], field)
    else
      redis.call('HSET', KEYS[2], field, piece)
    end
  end
end

local function held_by_another(digest)
  local id = string.match(redis.call('HGET', KEYS[4], digest) or '', '^[^ ]+')
  return id and id ~= ARGV[2] and redis.call('EXISTS', ARGV[1] .. 's' .. string.sub(id, 7)) == 1
end

-- Writes the registration, and returns whether its filter is another one than before.
local function reregister(former)
  local registered = ARGV[2] .. ' ' .. ARGV[7]
  local refiltered = redis.call('HGET', KEYS[4], former) ~= registered
  if not held_by_another(ARGV[6]) then
    redis.call('HSET', KEYS[4], ARGV[6], registered)
  end
  if former ~= ARGV[6] and not held_by_another(former) then
    redis.call('HDEL', KEYS[4], former)
  end
  if redis.call('PTTL', KEYS[4]) < 0 then
    redis.call('PEXPIRE', KEYS[4], redis.call('PTTL', KEYS[3]))
  end
  return refiltered
end

local function places(head)
  local found = head and {ARGV[2]} or {}
  for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
    local sequence = string.match(field, '^r(%d+)$')
    if sequence then
      found[#found + 1] = ARGV[2] .. '/' .. sequence
    end
  end
  return found
end

local fields = redis.call('HMGET', KEYS[2], 'st', 'd', 'c', 'u', unpack(PIECES))
local call = redis.call('HMGET', KEYS[3], 'i', 'e')
local status, digest, body = fields[1], fields[2], ''
for place = 5, #fields do
  body = body .. (fields[place] or '')
end
if not status or not call[1] then
  return 0
elseif status == 'cancelled' or status == 'disabled' then
  return 1
end
local written, moved = tonumber(call[2] or 0), digest ~= ARGV[6]
local wanted = ARGV[8] == '' and status or ARGV[8]
if body ~= ARGV[3] or written ~= tonumber(ARGV[5]) then
  return 3
elseif moved and held_by_another(ARGV[6]) then
  return 2
elseif body == ARGV[4] and wanted == status then
  return 4
end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('HSET', KEYS[2], 'd', ARGV[6], 'st', wanted, 'u', math.max(now, (fields[4] or 0) + 1))
write(ARGV[4])
local refiltered = reregister(digest)
if wanted == status and not moved and not refiltered then
  return 4
end
local result = 4
for _, place in ipairs(places(wanted == 'paused' or written > tonumber(fields[3]))) do
  local score = redis.call('ZSCORE', KEYS[1], place)
  local leased = score and tonumber(score) % 1 ~= 0
  if wanted == 'paused' and not leased then
    redis.call('ZREM', KEYS[1], place)
  elseif leased and place == ARGV[2] then
    redis.call('HSET', KEYS[2], 'h', 1)
  elseif not leased and (not score or status == 'paused' or moved) then
    redis.call('ZADD', KEYS[1], now, place)
    result = 5
  end
end
return result
