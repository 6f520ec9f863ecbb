-- Tells who is subscribed to calls, whatever becomes of the subscriptions' pauses.
--
-- KEYS  registrations of each call
-- ARGV  1 prefix of the partition's keys
--
-- Returns for each call its tenants, separated by spaces.
local results = {}
for place, registrations in ipairs(KEYS) do
  local known, tenants = {}, {}
  for _, value in ipairs(redis.call('HVALS', registrations)) do
    local subscription = string.match(value, '^[^ ]+')
    local tenant = redis.call('HGET', ARGV[1] .. 's' .. string.sub(subscription, 7), 't')
    if tenant and not known[tenant] then
      known[tenant] = true
      tenants[#tenants + 1] = tenant
    end
  end
  results[place] = table.concat(tenants, ' ')
end
return results
