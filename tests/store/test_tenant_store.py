"""Tenants and their keys in the ledger."""

import base64

import pytest

from app.domain.errors import UndecryptableSecret
from app.resources import Resources, open_resources
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.conftest import ENCRYPTION_KEY, MakeSettings
from tests.store.keys import lifetimes

NEW_KEY = base64.urlsafe_b64encode(bytes(32)).decode()


async def test_a_tenant_comes_back_as_it_was_made(resources: Resources) -> None:
    new = await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)

    assert await resources.tenants.get(new.tenant.id) == new.tenant
    assert (new.tenant.name, new.tenant.account_id, new.tenant.project_id) == ("CRM", ACCOUNT, PROJECT)
    assert new.tenant.connector_id == CONNECTOR
    assert await resources.tenants.authenticate(new.api_key) == new.tenant
    assert await resources.tenants.get("ten_nobody") is None


async def test_no_two_tenants_share_a_key_or_a_secret(resources: Resources) -> None:
    made = [await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR) for _ in range(20)]

    assert len({one.api_key for one in made}) == 20
    assert len({one.tenant.signing_secrets for one in made}) == 20


async def test_neither_key_nor_secret_nor_connector_is_kept_in_clear(resources: Resources) -> None:
    new = await resources.tenants.create("a name to find", ACCOUNT, PROJECT, CONNECTOR)

    redis = resources.ledger.redis
    written = b""
    async for name in redis.scan_iter("*"):
        written += name + await redis.dump(name)
    assert b"a name to find" in written
    chance = new.api_key.split("_", 2)[2]
    secret = base64.b64decode(new.tenant.signing_secrets[0].removeprefix("whsec_"))
    for hidden in (chance.encode(), secret, base64.b64encode(secret), CONNECTOR.encode()):
        assert hidden not in written
    assert repr(new.tenant) == f"Tenant({new.tenant.id})"


async def test_tenants_and_their_keys_have_no_lifetime(resources: Resources) -> None:
    await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)

    assert set((await lifetimes(resources)).values()) == {-1}


async def test_pages_are_the_oldest_first(resources: Resources) -> None:
    made = sorted([(await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)).tenant.id for _ in range(5)])

    first = await resources.tenants.page(limit=3, after="")
    second = await resources.tenants.page(limit=3, after=first[-1].id)

    assert [one.id for one in (*first, *second)] == made


async def test_encryption_keys_can_be_rotated(resources: Resources, make_settings: MakeSettings) -> None:
    new = await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)

    async with open_resources(make_settings(encryption_keys=f"{NEW_KEY},{ENCRYPTION_KEY}")) as rotated:
        assert await rotated.tenants.authenticate(new.api_key) == new.tenant
    async with open_resources(make_settings(encryption_keys=NEW_KEY)) as too_early:
        with pytest.raises(UndecryptableSecret):
            await too_early.tenants.authenticate(new.api_key)


async def test_a_secret_that_was_moved_to_another_tenant_does_not_open(resources: Resources) -> None:
    one, other = [await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR) for _ in range(2)]
    redis = resources.ledger.redis
    await redis.copy(f"rb:tenant:{one.tenant.id}", f"rb:tenant:{other.tenant.id}", replace=True)

    with pytest.raises(UndecryptableSecret):
        await resources.tenants.get(other.tenant.id)
