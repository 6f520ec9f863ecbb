-- Claims watches that fall due: moves each by a lease, so that a worker that dies loses its lease only.
--
-- KEYS  1 due
-- ARGV  1 prefix of the partition's keys  2 horizon: how far ahead of now to claim, ms  3 lease, ms  4 how many
--
-- The lease runs from the moment when the watch is due. A watch whose keys have expired is forgotten. A due time with
-- a fraction of a millisecond promises something, which a lease does not.
--
-- Returns {Redis time in ms, {watch id, due in ms, version, key, state, last poll in ms or false}, …}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now + ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local claimed = {now}
for i = 1, #due, 2 do
  local fields = redis.call('HMGET', ARGV[1] .. 'watch:' .. due[i], 'v', 'k', 's', 'p')
  if fields[2] then
    redis.call('ZADD', KEYS[1], math.floor(math.max(tonumber(due[i + 1]), now)) + ARGV[3], due[i])
    claimed[#claimed + 1] = {due[i], due[i + 1], fields[1], fields[2], fields[3], fields[4]}
  else
    redis.call('ZREM', KEYS[1], due[i])
  end
end
return claimed
