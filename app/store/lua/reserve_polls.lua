-- Reserves moments of a credential set's budget: no two are closer together than the budget allows.
--
-- KEYS  1 budget
-- ARGV  1 time between two polls, us  2 how far ahead of now a moment may be, us  then for each poll
--       when it wants to begin in us, urgency (e early, p patient, t patient and its turn has come, o overdue), the
--       latest for a patient one in us
--
-- Moments are slots of a grid, a character each in `s` ('1' is taken), the first of them at `o`. What is past is
-- dropped; when nothing ahead is taken the grid begins anew at the first wish, so that nobody waits for an idle one.
--
-- 1. An early or overdue poll takes the first free slot from its wish on.
-- 2. Patient ones share SHARE of the budget less what early ones have taken lately (`e`, a count that decays over
--    RECENT seconds). `q` counts those for whom that share has not come round yet: a queue of its own. It goes slower
--    while early ones have to wait, so that they need not in SOON seconds.
-- 3. While that queue is short, a patient poll takes a slot: where it wants to begin if there is room, else from its turn
--    on. One whose turn has come takes one that is near. Else it is told its turn, or the latest that it may wait for,
--    if that is sooner. A turn takes no slot: one that is taken is lost to early polls that come meanwhile.
--
-- Returns {Redis time in ms, how far ahead the first free slot is in us, how long the patient queue is in us,
--          for each poll its moment in us, with a 't' before it for a turn, or '' when there is none that near}
local SHARE, LEAST_SHARE, RECENT, SOON, LONGEST_QUEUE = 0.9, 0.05, 4, 2, 30
-- In us, in us, and in slots.
local NEAR, AT_HAND, LOOSE = 2000000, 500000, 3
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local spacing, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('HMGET', KEYS[1], 'o', 's', 'e', 'q', 't')
local origin, slots = tonumber(kept[1] or now), kept[2] or ''
local early, queue, since = tonumber(kept[3] or 0), tonumber(kept[4] or 0), tonumber(kept[5] or now)

-- A clock that was set back must not close the budget for longer than it may be booked ahead.
if origin - now > ahead then
  origin, slots = now, ''
end
local past = math.min(#slots, math.max(0, math.ceil((now - origin) / spacing)))
origin, slots = origin + past * spacing, string.sub(slots, past + 1)

local function begin_anew(wanted)
  local lowest = math.max(now, origin)
  origin = wanted - math.floor(math.max(0, wanted - lowest) / spacing) * spacing
end

local function first_free(wanted)
  -- A microsecond is lost where a second does not divide by the rate.
  local slot = math.max(0, math.ceil((wanted - origin - 1) / spacing))
  if slot < #slots then
    slot = (string.find(slots, '0', slot + 1, true) or #slots + 1) - 1
  end
  return slot
end

local rate, elapsed = 1000000 / spacing, math.max(0, now - since) / 1000000
early = early * math.exp(-elapsed / RECENT)
local share = math.max(SHARE * rate - early / RECENT, LEAST_SHARE * rate)
local crowd = math.max(0, first_free(now) - LOOSE)
queue = math.max(0, queue - math.max(share - crowd / SOON, LEAST_SHARE * rate) * elapsed)

local function take(wanted)
  wanted = math.max(wanted, now)
  if slots == '' then
    begin_anew(math.max(wanted, origin))
  end
  local slot = first_free(wanted)
  local moment = origin + slot * spacing
  if moment - now > ahead then
    return ''
  end
  slots = string.sub(slots, 1, slot) .. string.rep('0', slot - #slots) .. '1' .. string.sub(slots, slot + 2)
  return string.format('%.0f', moment)
end

local function wait_for(wanted)
  return slots == '' and 0 or origin + first_free(math.max(wanted, now)) * spacing - wanted
end

local function await_turn(wanted, latest)
  local turn = now + queue / share * 1000000
  queue = math.min(queue + 1, share * LONGEST_QUEUE)
  if turn - wanted <= NEAR then
    local moment = wait_for(wanted) <= LOOSE * spacing and wanted or math.max(wanted, turn)
    if wait_for(moment) <= NEAR then
      return take(moment)
    end
  end
  return string.format('t%.0f', math.max(now, math.min(math.max(turn, wanted + NEAR), latest)))
end

local function take_turn(wanted, latest)
  if wait_for(wanted) <= math.max(AT_HAND, LOOSE * spacing) then
    return take(wanted)
  end
  return string.format('t%.0f', math.max(now, math.min(wanted + NEAR, latest)))
end

local moments = {}
for at = 3, #ARGV, 3 do
  local wanted, urgency, latest = tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2])
  if urgency == 'p' then
    moments[#moments + 1] = await_turn(wanted, latest)
  elseif urgency == 't' then
    moments[#moments + 1] = take_turn(wanted, latest)
  else
    early = early + (urgency == 'e' and 1 or 0)
    moments[#moments + 1] = take(wanted)
  end
end
local behind = math.max(0, origin + first_free(now) * spacing - now)
-- A gate: a full Redis lets a script write whose first write takes no memory, and this one changes nothing.
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], 'o', string.format('%.3f', origin), 's', slots, 'e', early, 'q', queue,
  't', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((#slots + 1) * spacing / 1000) + 60000)
return {math.floor(now / 1000), math.floor(behind), math.floor(queue / share * 1000000), unpack(moments)}
