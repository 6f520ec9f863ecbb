-- Gives back what was claimed and not begun: when a worker drains, due as before; when it must wait, due later.
--
-- KEYS  1 due or outbox
-- ARGV  for each: member, when it is due in ms
--
-- Returns how many were there to give back
-- A gate: a full Redis lets a script write whose first write takes no memory, and this one changes nothing.
redis.call('ZREM', KEYS[1], '')
local given = 0
for at = 1, #ARGV, 2 do
  given = given + redis.call('ZADD', KEYS[1], 'XX', 'CH', ARGV[at + 1], ARGV[at])
end
return given
