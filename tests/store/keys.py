"""What tests do to Redis behind the store's back."""

from app.resources import Resources
from tests.builders import make_key


async def delete_call(resources: Resources, call_sid: str) -> None:
    """Do to the default account's call what Redis does when its retention is over."""
    partition = resources.subscriptions.partition_of_call(call_sid)
    watch_id = make_key(call_sid=call_sid).watch_id
    names = [partition.watch(watch_id), partition.events(watch_id), partition.subscriptions(watch_id)]
    assert await resources.ledger.redis.delete(*names) == len(names)


async def lifetimes(resources: Resources) -> dict[str, int]:
    """Return for each key the milliseconds that it lives on; -1 is for ever."""
    names = [name.decode() async for name in resources.ledger.redis.scan_iter("rb:*")]
    return {name: await resources.ledger.redis.pttl(name) for name in names}
