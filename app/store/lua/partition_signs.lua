-- Tells how a partition is doing; changes nothing.
--
-- KEYS  1 due  2 outbox
-- ARGV  1 prefix of the partition's keys  2 of how many calls to tell the state, chosen at random
--
-- A call whose keys have expired, and that is forgotten when it is claimed, has no state.
--
-- Returns {Redis time in ms, the least due time in ms or '', the outbox' or '', how many calls,
--          {state, or '' before the first, …}}
local clock = redis.call('TIME')
local states = {}

local function least(name)
  return redis.call('ZRANGE', name, 0, 0, 'WITHSCORES')[2] or ''
end

for _, watch in ipairs(redis.call('ZRANDMEMBER', KEYS[1], ARGV[2])) do
  local fields = redis.call('HMGET', ARGV[1] .. 'w' .. watch, 'i', 's')
  if fields[1] then
    states[#states + 1] = fields[2] or ''
  end
end
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
return {now, least(KEYS[1]), least(KEYS[2]), redis.call('ZCARD', KEYS[1]), states}
