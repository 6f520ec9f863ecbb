-- Changes fields of a tenant. One that was deleted meanwhile does not come back.
--
-- KEYS  1 tenant
-- ARGV  a field and its value, and so on; a field whose value is empty is removed
--
-- Returns 1 when the tenant was changed, 0 when there is none
if redis.call('HEXISTS', KEYS[1], 'n') == 0 then
  return 0
end
for at = 1, #ARGV, 2 do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[at])
  else
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  end
end
return 1
