-- Puts a new value into a field of a hash, unless somebody else has changed it meanwhile. Lifetimes stay as they are.
--
-- KEYS  1 hash
-- ARGV  1 field  2 value that was read  3 value to store
--
-- Returns 1 when it was stored, 0 when the field holds something else or is not there any more
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
