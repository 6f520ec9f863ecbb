-- Counts the destinations in trouble; changes nothing.
--
-- KEYS  1 troubled destinations
-- ARGV  1 what the names of breakers begin with  2 how many to look at, those that failed last
--
-- Returns {how many breakers are open, how many are closed behind a failure}
local open, failing = 0, 0
for _, digest in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '-inf', 'LIMIT', 0, ARGV[2])) do
  local fields = redis.call('HMGET', ARGV[1] .. digest, 'f', 'u')
  if fields[2] then
    open = open + 1
  elseif fields[1] then
    failing = failing + 1
  end
end
return {open, failing}
