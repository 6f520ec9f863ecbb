# ruff: noqa: E501 -- a text and what takes its place are read side by side
"""Scripts that break a promise each, by one change of their text: the machine must find every one of them.

A check that cannot fail is worth nothing; this is what says that it can.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

from app.store.connection import _Script
from tests.protocol.installation import Installation

# By script: what is broken, the text that is replaced, which stands there once, and what by.
_CHANGES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "commit_polls": (
        ("a poll that comes too late is recorded", "if before[1] ~= version then", "if not before[1] then"),
        ("a record without news leaves the version", "'v', moment, ", ""),
        ("the journal says another place", "'s', written + 1", "'s', 1"),
        ("the journal is not told", "if #types > 0 then\n      redis.pcall", "if false then\n      redis.pcall"),
        ("an event takes the place of another", "set(written + i, ARGV", "set(i, ARGV"),
        ("events are not counted", "set('e', written + #types)", "set('e', written + 1)"),
        ("the state of a poll is not stored", "set('s', state)", "set('z', state)"),
        ("a call that has ended stays due", "redis.call('ZREM', KEYS[1], id)\n", "\n"),
        ("the end of a call is not told", "set('f', final)", "set('z', final)"),
        ("what has ended counts as active", "      uncount(registrations)\n", ""),
        ("news take a lease away", "redis.call('ZADD', KEYS[2], 'NX', now, ", "redis.call('ZADD', KEYS[2], now, "),
        ("news are not queued", "if wants(filter, types, final) then", "if false then"),
        ("who wants only the end never hears of it", "if final ~= '' and string.find", "if false and string.find"),
        ("only the first of the news is looked at", "ipairs(types)", "ipairs({types[1]})"),
        ("a late poll makes due what nobody follows", "elseif still_due then\n", "else\n"),
        ("a late poll forgets when a call would be due", "set('d', due)", "set('z', due)"),
        ("the next poll is set to now", "redis.call('ZADD', KEYS[1], due, id)", "redis.call('ZADD', KEYS[1], now, id)"),
        ("polls are not counted", "tonumber(before[3] or 0) + 1", "tonumber(before[3] or 0)"),
    ),
    "claim_polls": (
        ("a poll is claimed without a lease", "KEYS[1], math.floor(", "KEYS[1], 'NX', math.floor("),
        ("a lease on a call is not heeded", "'-inf', now + ARGV[2]", "'-inf', '+inf'"),
        ("a claimed call leaves due", "    claimed[#claimed + 1] = {\n", "    redis.call('ZREM', KEYS[1], due[i])\n    claimed[#claimed + 1] = {\n"),
    ),
    "claim_deliveries": (
        ("a delivery is claimed without a lease", "redis.call('ZADD', KEYS[1], string", "redis.call('ZADD', KEYS[1], 'NX', string"),
        ("a lease on a delivery is not heeded", "'-inf', now + ARGV[2]", "'-inf', '+inf'"),
        ("a lease looks like a wait", "+ ARGV[3] - 0.5)", "+ ARGV[3] - 1)"),
        ("what is paused is delivered", "fields[1] and fields[3] == 'active'", "fields[1]"),
        ("an event is left out", "fields[4] + 1, tonumber(ARGV[5])", "fields[4] + 2, tonumber(ARGV[5])"),
        ("an event is claimed again", "fields[4] + 1, tonumber(ARGV[5])", "math.max(1, fields[4]), tonumber(ARGV[5])"),
        ("what has nothing to deliver stays", "    redis.call('ZREM', KEYS[1], member)\n", ""),
        ("two subscribers share what one is to get", "' ' .. first .. ' '", "' '"),
    ),
    "settle_deliveries": (
        ("a late settlement is taken", "(fields[2] ~= cursor or fields[3] ~= failures)", "(not fields[2])"),
        ("a late failure is taken", "(fields[2] ~= cursor or fields[3] ~= failures)", "fields[2] ~= cursor"),
        ("a late settlement of a lane is taken", "own_lane and fields[6] ~= failures", "own_lane and not fields[6]"),
        ("a late settlement takes a place away", "    return 0\n  end\n  local goes_on", "    redis.call('ZREM', KEYS[1], member)\n    return 0\n  end\n  local goes_on"),
        ("failures outlive their delivery", "redis.call('HSET', sub, 'c', after, 'a', 0)", "redis.call('HSET', sub, 'c', after)"),
        ("the next delivery is forgotten", "> tonumber(after) then", "> tonumber(after) + 1 then"),
        ("what is done stays in the outbox", "  redis.call('ZREM', KEYS[1], member)\n  return 1\nend\n\n-- A gate", "  return 1\nend\n\n-- A gate"),
        ("a failure is not counted", "redis.call('HINCRBY', sub, 'a', 1)", "redis.call('HINCRBY', sub, 'a', 0)"),
        ("a wait counts as a failure", "  if verdict ~= 'wait' then\n    redis.call('HINCRBY', sub, 'a'", "  if true then\n    redis.call('HINCRBY', sub, 'a'"),
        ("a passed head gets no place", "redis.call('ZADD', KEYS[1], next_ms, member .. '/' .. passed)", "redis.call('PING')"),
        ("a passed head is forgotten", "redis.call('HSET', sub, 'r' .. passed, failures)", "redis.call('PING')"),
        ("a changed subscription is gone on with", "and (fields[7] or '') == changed", ""),
        ("a cancelled one gets a lane", "and (fields[4] == 'active' or fields[4] == 'paused') then", "then"),
        ("what was given up is not kept", "  if verdict == 'fail' then\n    keep", "  if false then\n    keep"),
        ("who goes on has no lease", "and leased(tonumber(lease)) or now, member)", "and now or now, member)"),
        ("an attempt is not logged", "if attempt ~= '' then", "if attempt ~= '' and fields[2] == cursor then"),
    ),
    "end_subscription": (
        ("a cancelled one keeps its place", "redis.call('ZREM', KEYS[2], ARGV[1])\n", "\n"),
        ("a cancelled one keeps its lanes", "    redis.call('HDEL', KEYS[3], field)\n", ""),
        ("a cancelled one hears of what is new", "redis.call('HDEL', KEYS[5], fields[2])\n", "\n"),
        ("a cancelled one is counted", "period, -1) <= 0", "period, 0) <= 0"),
        ("what was not counted is counted down", "and redis.call('HEXISTS', KEYS[4], 'f') == 0 then", "then"),
        ("a call without subscribers is polled", "  redis.call('ZREM', KEYS[1], ARGV[2])\n", ""),
        ("a call leaves due with its first subscriber", "redis.call('EXISTS', KEYS[5]) == 0 and ", ""),
        ("a call forgets its place", "redis.call('HSET', KEYS[4], 'd', due)", "redis.call('PING')"),
        ("another receiver's 410 ends it", "if ARGV[6] ~= '*' and", "if false and"),
        ("it is ended twice", "if not fields[1] or fields[1] == 'cancelled' or", "if not fields[1] or"),
    ),
    "register": (
        ("the same is registered twice", "  if present then\n", "  if false then\n"),
        ("a call that comes back is due at once", "redis.call('HGET', watch, 'd') or 0)", "0)"),
        ("a poll from before a call was left is recorded", "'g', now, 'v', moment)", "'g', now)"),
        ("a call that is due is due again", "redis.call('ZADD', KEYS[1], 'NX', due, id)", "redis.call('ZADD', KEYS[1], 'CH', due, id)"),
        ("a call that has ended is followed", "final == '' and follow(watch_id", "follow(watch_id"),
        ("who comes late hears nothing", "  if known[2] then\n", "  if false then\n"),
        ("a new one is not counted", "    count(tenant, id)\n", ""),
        ("who comes too late is counted", "  if final == '' then\n    count(tenant, id)", "  count(tenant, id)\n  if final == '' then"),
        ("a call begins anew with each subscriber", "  if new then\n", "  if true then\n"),
        ("who has no room is let in", "elseif final == '' and room == '0' then", "elseif false then"),
        ("no index leads to it", "redis.call('APPEND', of_call, short)", "redis.call('PING')"),
    ),
    "change_subscription": (
        ("a paused one keeps its place", "if wanted == 'paused' and not leased then", "if false then"),
        ("a resumed one gets no place", "places(wanted == 'paused' or written > tonumber(fields[3]))", "places(false)"),
        ("a change takes a lease away", "elseif not leased and (not score", "elseif true or (not score"),
        ("a taken URL is taken", "elseif moved and held_by_another(ARGV[6]) then", "elseif false then"),
        ("a moved one is still registered where it was", "    redis.call('HDEL', KEYS[4], former)\n", ""),
        ("a change is not noted", "'st', wanted, 'u', math.max(now, (fields[4] or 0) + 1))", "'st', wanted)"),
    ),
    "replay": (
        ("nothing goes back", "redis.call('HSET', sub, 'c', from - 1, 'a', 0)", "redis.call('PING')"),
        ("a replay takes a lease away", "    if leased then\n", "    if false then\n"),
        ("what goes back has no place", "      redis.call('ZADD', KEYS[1], now, subscription)\n", ""),
        ("what goes back keeps its lane", "      redis.call('HDEL', sub, field)\n", ""),
        ("what goes back stays given up", "    redis.call('ZREM', KEYS[2], subscription .. '/' .. sequence)\n", ""),
        ("another cursor than was read goes back", "elseif expected ~= '' and expected ~= at then", "elseif false then"),
        ("what has ended goes back", "elseif status ~= 'active' and status ~= 'paused' then", "elseif false then"),
    ),
    "retry_delivery": (
        ("what is under way is due", "  if under_way(subscription) then\n", "  if false then\n"),
        ("what is retried is given up as well", "  redis.call('ZREM', KEYS[2], member)\n", ""),
        ("what is retried is not due", "    if place and status == 'active' then\n", "    if false then\n"),
        ("failures are not forgotten", "    redis.call('HSET', sub, 'a', 0)\n", ""),
    ),
    "release": (("what is given back is not due", "'XX', 'CH', ARGV[at + 1]", "'XX', 'CH', '9e12'"),),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    script: str
    breaks: str
    old: str
    new: str

    def source(self) -> bytes:
        text = files("app.store").joinpath("lua", f"{self.script}.lua").read_text()
        assert text.count(self.old) == 1, f"{self.script}.lua has {self.old!r} {text.count(self.old)} times"
        return text.replace(self.old, self.new).encode()


MUTANTS = tuple(Mutant(script, *change) for script, changes in _CHANGES.items() for change in changes)


@contextmanager
def mutated(installation: Installation, mutant: Mutant) -> Iterator[None]:
    """Let the mutant take the place of its script, as a release that has it would."""
    scripts, source = installation.resources.ledger._scripts, mutant.source()
    former = scripts.pop(mutant.script, None)
    scripts[mutant.script] = _Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())
    try:
        yield
    finally:
        del scripts[mutant.script]
        if former:
            scripts[mutant.script] = former
