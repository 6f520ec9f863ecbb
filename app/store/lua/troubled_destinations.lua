-- Lists destinations in trouble, those that failed last first; changes nothing.
--
-- KEYS  1 troubled destinations, all or one tenant's
-- ARGV  1 what the names of breakers begin with
--       2 when the one failed last behind which to begin, ms, or '+inf'  3 its digest or ''
--       4 how many to look at  5 how many to return
--
-- 1. Those of the same millisecond as the one to begin behind come in the order of their digests.
-- 2. One whose breaker has been forgotten meanwhile is passed over.
--
-- Returns {Redis time in ms, when the last one that was looked at failed and its digest or '' and '' at the end,
--          of each that is listed {when it failed last in ms, digest, destination, what failed, failures in a row,
--          failing since in ms, open until in ms or 0}}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local FIELDS = {'d', 'e', 'f', 't', 'u'}
local prefix, behind_at, behind = ARGV[1], ARGV[2], ARGV[3]
local most_looked, most_listed = tonumber(ARGV[4]), tonumber(ARGV[5])
local entries = redis.call('ZREVRANGEBYSCORE', KEYS[1], behind_at, '-inf', 'WITHSCORES', 'LIMIT', 0, most_looked)
local listed = {}
for place = 1, #entries, 2 do
  local digest, at = entries[place], entries[place + 1]
  if at ~= behind_at or digest < behind then
    local breaker = redis.call('HMGET', prefix .. digest, unpack(FIELDS))
    if breaker[1] then
      listed[#listed + 1] = {at, digest, breaker[1], breaker[2], breaker[3], breaker[4], breaker[5] or 0}
      if #listed == most_listed and place + 1 < #entries then
        return {now, at, digest, listed}
      end
    end
  end
end
if #entries < 2 * most_looked then
  return {now, '', '', listed}
end
return {now, entries[#entries], entries[#entries - 1], listed}
