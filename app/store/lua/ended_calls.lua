-- Walks a tenant's subscriptions of a partition, and tells of those whose call has ended. Writes nothing.
--
-- KEYS  1 the tenant's index of the partition
-- ARGV  1 prefix of the partition's keys  2 subscription to go on after or ''  3 how many to look at
--       4 Unix ms: calls that were last polled before are passed over
--
-- Returns {the last subscription looked at or '' when there are no more, {subscription, watch id, call}, …}
local lower = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local ids = redis.call('ZRANGEBYLEX', KEYS[1], lower, '+', 'LIMIT', 0, ARGV[3])
local found = {ids[#ids] or ''}
for _, id in ipairs(ids) do
  local watch = redis.call('HGET', ARGV[1] .. 's' .. string.sub(id, 7), 'w')
  local fields = watch and redis.call('HMGET', ARGV[1] .. 'w' .. watch, 'i', 'f', 'p')
  if fields and fields[1] and fields[2] and tonumber(fields[3] or 0) >= tonumber(ARGV[4]) then
    found[#found + 1] = {id, watch, fields[1]}
  end
end
return found
