"""What tests do to Redis behind the store's back."""

from collections.abc import Mapping

from app.resources import Resources
from app.store.subscription_records import BODY, body_of
from tests.builders import make_key


async def delete_call(resources: Resources, call_sid: str) -> None:
    """Do to the default account's call what Redis does when its retention is over."""
    partition = resources.subscriptions.partition_of_call(call_sid)
    watch_id = make_key(call_sid=call_sid).watch_id
    names = [partition.watch(watch_id), partition.registrations(watch_id)]
    assert await resources.ledger.redis.delete(*names) == len(names)


async def log_of(resources: Resources, subscription_id: str) -> list[bytes]:
    """Return the attempts of a subscription as they are written, oldest first, wherever they stand."""
    partition, redis = resources.subscriptions.partition_of(subscription_id), resources.ledger.redis
    assert partition is not None
    fields = await redis.hgetall(partition.subscription(subscription_id))
    own = [fields[b"l%d" % place] for place in range(1, int(fields.get(b"l", 0)) + 1)]
    moved: list[bytes] = await redis.lrange(partition.log(subscription_id), 0, -1)
    assert not own or not moved
    return own + moved


async def body(resources: Resources, subscription_id: str) -> bytes:
    """Return a subscription's body as it is written."""
    partition = resources.subscriptions.partition_of(subscription_id)
    assert partition is not None
    return body_of(await resources.ledger.redis.hmget(partition.subscription(subscription_id), *BODY))


async def lifetimes(resources: Resources) -> dict[str, int]:
    """Return for each key the milliseconds that it lives on; -1 is for ever."""
    names = [name.decode() async for name in resources.ledger.redis.scan_iter("rb:*")]
    return {name: await resources.ledger.redis.pttl(name) for name in names}


async def everything(resources: Resources) -> dict[bytes, tuple[bytes, int]]:
    """Return each key's value as Redis dumps it, and the milliseconds that it lives on; -1 is for ever."""
    redis = resources.ledger.redis
    return {name: (await redis.dump(name), await redis.pttl(name)) async for name in redis.scan_iter("rb:*")}


async def restore(resources: Resources, kept: Mapping[bytes, tuple[bytes, int]]) -> None:
    """Let Redis hold what it once held, and nothing else."""
    redis = resources.ledger.redis
    for name in [name async for name in redis.scan_iter("rb:*")]:
        await redis.delete(name)
    for name, (value, lives_ms) in kept.items():
        await redis.restore(name, max(0, lives_ms), value)
