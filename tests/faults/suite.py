"""All faults by what they break, and which of them a run is made of."""

from collections.abc import Sequence
from itertools import chain, zip_longest
from random import Random

from tests.faults import (
    clocks_in_trouble,
    disks_in_trouble,
    network_in_trouble,
    processes_in_trouble,
    receivers_in_trouble,
    redis_failing_over,
    redis_in_trouble,
    redis_refusing,
    upstream_in_trouble,
)
from tests.faults.fault import Fault

_MODULES = (
    processes_in_trouble,
    clocks_in_trouble,
    network_in_trouble,
    redis_in_trouble,
    redis_refusing,
    redis_failing_over,
    disks_in_trouble,
    upstream_in_trouble,
    receivers_in_trouble,
)
FAULTS: tuple[Fault, ...] = tuple(chain.from_iterable(module.FAULTS for module in _MODULES))


def named(words: Sequence[str]) -> list[Fault]:
    """Return the faults whose names hold one of these words. Raises LookupError when there are none."""
    found = [one for one in FAULTS if any(word in one.name for word in words)]
    if not found:
        raise LookupError("no fault is called so; there are:\n" + "\n".join(f"  {one.name}" for one in FAULTS))
    return found


def chosen(count: int, chance: Random) -> list[Fault]:
    """Choose so many faults, about as many of each module, and return them in an order of chance."""
    shuffled = [chance.sample(module.FAULTS, len(module.FAULTS)) for module in _MODULES]
    in_turn = [one for turn in zip_longest(*shuffled) for one in turn if one is not None]
    return chance.sample(in_turn[:count], min(count, len(in_turn)))
