-- Puts new values into fields of a hash, unless somebody else has changed one meanwhile. Lifetimes stay as they are.
--
-- KEYS  1 hash
-- ARGV  for each field: field, value that was read, value to store; '' is no field
--
-- Returns 1 when they were stored, 0 when one holds something else or is not there any more
for at = 1, #ARGV, 3 do
  if (redis.call('HGET', KEYS[1], ARGV[at]) or '') ~= ARGV[at + 1] then
    return 0
  end
end
for at = 1, #ARGV, 3 do
  if ARGV[at + 2] == '' then
    redis.call('HDEL', KEYS[1], ARGV[at])
  else
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 2])
  end
end
return 1
