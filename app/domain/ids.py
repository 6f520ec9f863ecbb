"""Ids: a prefix that tells the kind, the partition where the thing lives, its age and chance.

`sub_` + 2 characters of partition + 9 of milliseconds + 11 of chance, in Crockford's base 32 in lower case:
an id leads to its keys without an index, and ids of one kind and partition sort by age.
"""

import re
from functools import lru_cache

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Two digits at a time: an id is written for every subscription.
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_PARTITION_LENGTH = 2
_TIME_LENGTH = 9
_CHANCE_LENGTH = 11
CHANCE_BYTES = 7
_SEQUENCE_LENGTH = 4

_SUBSCRIPTION = re.compile(f"sub_([{_ALPHABET}]{{22}})")
# A sequence is filled up to four characters and no further: a delivery has one id.
_DELIVERY = re.compile(
    f"dlv_([{_ALPHABET}]{{22}})([{_ALPHABET}]{{4}}|[{_ALPHABET[1:]}][{_ALPHABET}]{{4,6}})",
)


def encode(number: int, length: int) -> str:
    """Write a number in base 32, filled with zeros to `length` characters."""
    pairs = []
    while number:
        pairs.append(_PAIRS[number & 1023])
        number >>= 10
    return "".join(reversed(pairs)).lstrip("0").rjust(length, "0")


def decode(text: str) -> int:
    """Read a number in base 32."""
    number = 0
    for character in text:
        number = number * 32 + _VALUES[character]
    return number


def subscription_id(partition: int, now: float, chance: bytes) -> str:
    """Make an id; `now` in Unix seconds, `chance` are `CHANCE_BYTES` random bytes."""
    random_part = encode(int.from_bytes(chance) & (32**_CHANCE_LENGTH - 1), _CHANCE_LENGTH)
    return f"sub_{_partition_and_time(partition, int(now * 1000))}{random_part}"


# Those of a batch have it in common.
@lru_cache(256)
def _partition_and_time(partition: int, now_ms: int) -> str:
    return encode(partition, _PARTITION_LENGTH) + encode(now_ms, _TIME_LENGTH)


def plain_id(prefix: str, now: float, chance: bytes) -> str:
    """Make an id of something that lives in no partition, such as a tenant or a key."""
    random_part = encode(int.from_bytes(chance) & (32**_CHANCE_LENGTH - 1), _CHANCE_LENGTH)
    return f"{prefix}{encode(int(now * 1000), _TIME_LENGTH)}{random_part}"


def partition_of(subscription: str) -> int | None:
    """Return the partition that an id leads to, or None when it is no subscription's id."""
    match = _SUBSCRIPTION.fullmatch(subscription)
    return decode(match[1][:_PARTITION_LENGTH]) if match else None


def made_at(subscription: str) -> float:
    """Return when a subscription was made, which its id tells, in Unix seconds."""
    begin = len("sub_") + _PARTITION_LENGTH
    return decode(subscription[begin : begin + _TIME_LENGTH]) / 1000


def delivery_id(subscription: str, sequence: int) -> str:
    """Return the id of an event on its way to a subscription: a function of both."""
    return f"dlv_{subscription.removeprefix('sub_')}{encode(sequence, _SEQUENCE_LENGTH)}"


def delivery_parts(delivery: str) -> tuple[str, int] | None:
    """Return the subscription and the sequence of a delivery's id, or None when it is none."""
    match = _DELIVERY.fullmatch(delivery)
    return (f"sub_{match[1]}", decode(match[2])) if match else None
