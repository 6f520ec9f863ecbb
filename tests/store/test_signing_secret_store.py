"""Signing secrets in the ledger: rotated by several at once, and sealed."""

import asyncio
import base64

import pytest

from app.domain.errors import UndecryptableSecret
from app.domain.signing import secret_key
from app.domain.signing_secrets import MOST_SECRETS, TooManySecrets
from app.resources import Resources
from app.store import keys
from app.store.signing_secrets import FIELD
from tests.builders import ACCOUNT, CONNECTOR, PROJECT


async def new_tenant(resources: Resources) -> str:
    return (await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)).tenant.id


async def test_a_tenant_begins_with_one_and_keeps_the_old_one_after_a_rotation(resources: Resources) -> None:
    tenant_id = await new_tenant(resources)
    [first] = await resources.signing_secrets.of(tenant_id)

    new, old = await resources.signing_secrets.rotate(tenant_id, 60.5)

    assert await resources.signing_secrets.of(tenant_id) == (new, old)
    assert (old.id, old.secret, old.created_at) == (first.id, first.secret, first.created_at)
    assert old.expires_at == pytest.approx(new.created_at + 60.5)
    assert new.expires_at is None
    assert new.id != first.id
    assert secret_key(new.secret) != secret_key(first.secret)
    tenant = await resources.tenants.get(tenant_id)
    assert tenant is not None
    assert tenant.signing_secrets == (new, old)


async def test_of_rotations_that_meet_each_is_made(resources: Resources) -> None:
    tenant_id = await new_tenant(resources)
    [first] = await resources.signing_secrets.of(tenant_id)

    made = await asyncio.gather(*(resources.signing_secrets.rotate(tenant_id, 60) for _ in range(MOST_SECRETS - 1)))

    kept = {one.secret for one in await resources.signing_secrets.of(tenant_id)}
    assert kept == {first.secret, *(secrets[0].secret for secrets in made)}
    assert len(kept) == MOST_SECRETS
    with pytest.raises(TooManySecrets):
        await resources.signing_secrets.rotate(tenant_id, 60)
    assert {one.secret for one in await resources.signing_secrets.of(tenant_id)} == kept


async def test_a_rotation_beside_a_change_of_the_tenant_loses_neither(resources: Resources) -> None:
    tenant_id = await new_tenant(resources)
    redis, name = resources.ledger.redis, keys.tenant(tenant_id)

    await asyncio.gather(
        *(resources.signing_secrets.rotate(tenant_id, 60) for _ in range(3)),
        *(redis.hset(name, "n", f"CRM {number}") for number in range(3)),
    )

    tenant = await resources.tenants.get(tenant_id)
    assert tenant is not None
    assert tenant.name.startswith("CRM ")
    assert len(tenant.signing_secrets) == 4


async def test_a_tenant_that_is_not_there_gets_none(resources: Resources) -> None:
    assert await resources.signing_secrets.of("ten_nobody") == ()
    assert await resources.signing_secrets.rotate("ten_nobody", 60) == ()
    assert not await resources.ledger.redis.exists(keys.tenant("ten_nobody"))


async def test_they_are_kept_sealed_and_open_for_no_other_tenant(resources: Resources) -> None:
    tenant_id, other_id = await new_tenant(resources), await new_tenant(resources)
    await resources.signing_secrets.rotate(tenant_id, 60)
    redis = resources.ledger.redis

    packed = await redis.hget(keys.tenant(tenant_id), FIELD)
    for one in await resources.signing_secrets.of(tenant_id):
        key = secret_key(one.secret)
        assert key not in packed
        assert base64.b64encode(key) not in packed
    await redis.hset(keys.tenant(other_id), FIELD, packed)
    with pytest.raises(UndecryptableSecret):
        await resources.signing_secrets.of(other_id)
