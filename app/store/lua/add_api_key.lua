-- Gives a tenant another API key.
--
-- KEYS  1 tenant
-- ARGV  1 key, without its prefix  2 record  3 SHA-256 of its chance  4 the most keys that a tenant may have
--
-- Returns 1 when it was added, 0 when the tenant has too many, -1 when there is no such tenant
if redis.call('HEXISTS', KEYS[1], 'n') == 0 then
  return -1
end
local count = 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  count = count + (string.match(field, '^k.') and 1 or 0)
end
if count >= tonumber(ARGV[4]) then
  return 0
end
redis.call('HSET', KEYS[1], 'k' .. ARGV[1], ARGV[2], 'h' .. ARGV[1], ARGV[3])
return 1
