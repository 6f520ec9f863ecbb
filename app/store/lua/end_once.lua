-- Puts the answer of a request in place of its reservation, or gives the key free.
--
-- KEYS  1 the key's record
-- ARGV  1 reservation  2 record to keep, or ''  3 lifetime of the record, ms
--
-- A reservation that lapsed, and was perhaps made anew by somebody else, stays as it is.
--
-- Returns 1 when it was still ours, else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
elseif ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  -- First, for a full Redis lets a script write whose first write takes no memory.
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
