-- Claims watches that fall due: moves each by a lease, so that a worker that dies loses its lease only.
--
-- KEYS  1 due
-- ARGV  1 prefix of the partition's keys  2 horizon: how far ahead of now to claim, ms  3 lease, ms  4 how many
--       then the fields of a watch that are wanted beside the usual ones, if any
--
-- The lease runs from the moment when the watch is due. A watch whose keys have expired is forgotten. A due time with
-- a fraction of a millisecond promises something, which a lease does not.
-- Lines are returned once, however many watches refer to them, each as it was sealed by one key or several.
--
-- Returns {Redis time in ms, {{line, …}, …}, {{watch id, due in ms, version, last poll in ms or nil, index of its line,
--          call, state or nil, told or nil, when it was followed anew in ms or nil, and what else was wanted}, …}}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now + ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local claimed, lines, index = {}, {}, {}

local function line_of(watch)
  local name = string.sub(watch, 1, 12)
  if not index[name] then
    local line = redis.call('HVALS', ARGV[1] .. 'line:' .. name)
    if #line == 0 then
      return nil
    end
    lines[#lines + 1] = line
    index[name] = #lines
  end
  return index[name]
end

for i = 1, #due, 2 do
  local fields = redis.call('HMGET', ARGV[1] .. 'w' .. due[i], 'v', 'i', 's', 'x', 'g', 'p', unpack(ARGV, 5))
  local line = fields[2] and line_of(due[i])
  if line then
    redis.call('ZADD', KEYS[1], math.floor(math.max(tonumber(due[i + 1]), now)) + ARGV[3], due[i])
    claimed[#claimed + 1] = {
      due[i], due[i + 1], fields[1], fields[6], line, fields[2], fields[3], fields[4], fields[5],
      unpack(fields, 7)
    }
  else
    redis.call('ZREM', KEYS[1], due[i])
  end
end
return {now, lines, claimed}
