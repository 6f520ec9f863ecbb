-- Reserves an idempotency key for a request, unless it is taken.
--
-- KEYS  1 the key's record
-- ARGV  1 reservation  2 lifetime of a reservation, ms
--
-- Returns the record that is there already, or nil when the key is ours now
local kept = redis.call('GET', KEYS[1])
if not kept then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return kept
