-- Finds whose key a request bears, and counts the request against its tenant's bound.
--
-- KEYS  1 tenant  2 the tenant's rate
-- ARGV  1 key, without its prefix  2 SHA-256 of the offered chance  3 after how many ms a use is noted again
--       4... fields of the tenant to return; the last of them is its requests per second
--
-- 1. The digests are compared in constant time; a tenant or a key that is not there is compared like any other, with
--    a digest that nothing has.
-- 2. The use of the key is noted, unless it was within the last minute: reading is not to become writing.
-- 3. With a bound the rate key holds when the bucket of one second's requests is full again, in microseconds (GCRA).
--    A request that does not fit into it is not counted.
-- 4. What cannot be written is not: a Redis that takes no writes can still be read.
--
-- Returns {} without a valid key, else {remaining requests or -1 for one that came too early, microseconds until the
--   bucket is full, microseconds until the next request fits, fields...}; the first three are 0 without a bound
local WINDOW = 1000000
local row = redis.call('HMGET', KEYS[1], 'h' .. ARGV[1], 'u' .. ARGV[1], unpack(ARGV, 4))
local expected, offered = {string.byte(row[1] or string.rep('\0', 32), 1, 32)}, {string.byte(ARGV[2], 1, 32)}
local difference = 0
for at = 1, 32 do
  difference = bit.bor(difference, bit.bxor(expected[at], offered[at]))
end
if difference ~= 0 then
  return {}
end

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local now_ms, used_ms = math.floor(now / 1000), tonumber(row[2] or 0)
-- A full Redis lets a script write whose first write takes no memory, and this one changes nothing.
local function write(...)
  redis.pcall('HDEL', KEYS[1], '')
  redis.pcall(...)
end

if now_ms - used_ms >= tonumber(ARGV[3]) or used_ms > now_ms then
  write('HSET', KEYS[1], 'u' .. ARGV[1], string.format('%.0f', now_ms))
end

local limit = tonumber(row[#row] or 0)
if limit == 0 then
  return {0, 0, 0, unpack(row, 3)}
end
local each = WINDOW / limit
-- A clock that was set back must not make anybody wait for longer than a whole bucket.
local full_at = math.min(math.max(now, tonumber(redis.call('GET', KEYS[2]) or 0)), now + WINDOW)
local wait = full_at + each - WINDOW - now
-- A microsecond is lost where a second does not divide by the limit.
if wait > 1 then
  return {-1, math.ceil(full_at - now), math.ceil(wait), unpack(row, 3)}
end
full_at = full_at + each
write('SET', KEYS[2], string.format('%.3f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return {math.floor((WINDOW - (full_at - now)) / each + 0.001), math.ceil(full_at - now), 0, unpack(row, 3)}
