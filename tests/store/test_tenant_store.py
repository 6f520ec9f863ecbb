"""Tenants in the ledger."""

import asyncio
import base64
from dataclasses import replace

import pytest

from app.domain.errors import UndecryptableSecret
from app.domain.tenant import Quotas
from app.resources import Resources, open_resources
from app.store import keys
from app.store.tenants import TenantChange
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.conftest import ENCRYPTION_KEY, MakeSettings
from tests.store.keys import lifetimes

NEW_KEY = base64.urlsafe_b64encode(bytes(32)).decode()


async def test_a_tenant_comes_back_as_it_was_made(resources: Resources) -> None:
    new = await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)

    assert await resources.tenants.get(new.tenant.id) == new.tenant
    assert (new.tenant.name, new.tenant.account_id, new.tenant.project_id) == ("CRM", ACCOUNT, PROJECT)
    assert new.tenant.connector_id == CONNECTOR
    assert new.tenant.quotas == Quotas()


@pytest.mark.parametrize("unknown", ["ten_1m842cp907q3yc2f95cq", "ten_nobody", "", "ten_1m842cp907q3yc2f95c}", "ten_*"])
async def test_a_tenant_that_is_not_there(resources: Resources, unknown: str) -> None:
    assert await resources.tenants.get(unknown) is None
    assert not await resources.tenants.change(unknown, TenantChange(name="CRM"))
    assert await lifetimes(resources) == {"rb:installation": -1}


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
    secret = base64.b64decode(new.tenant.signing_secrets[0].secret.removeprefix("whsec_"))
    for hidden in (chance.encode(), secret, base64.b64encode(secret), CONNECTOR.encode()):
        assert hidden not in written
    assert repr(new.tenant) == f"Tenant({new.tenant.id})"
    assert new.api_key not in repr(new)


async def test_tenants_and_their_keys_have_no_lifetime(resources: Resources) -> None:
    await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)

    assert set((await lifetimes(resources)).values()) == {-1}


async def test_pages_are_the_oldest_first(resources: Resources) -> None:
    made = sorted([(await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)).tenant.id for _ in range(5)])

    first = await resources.tenants.page(limit=3, after="")
    second = await resources.tenants.page(limit=3, after=first.following)

    assert [one.id for one in (*first.items, *second.items)] == made
    assert second.following == ""


async def test_one_that_is_being_made_ends_no_list(resources: Resources) -> None:
    new = await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)
    # Listed before it is written; ids sort by age, so this one comes first.
    await resources.ledger.redis.zadd(keys.TENANTS, {f"ten_{'0' * 20}": 0})

    page = await resources.tenants.page(limit=1, after="")

    assert page.items == ()
    assert (await resources.tenants.page(limit=1, after=page.following)).items == (new.tenant,)


async def test_what_is_changed_is_changed_and_nothing_else(resources: Resources) -> None:
    before = (await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR, Quotas(5, 6, 7))).tenant

    for change, after in (
        (TenantChange(name="Other"), replace(before, name="Other")),
        (TenantChange(account_id="acc-2"), replace(before, name="Other", account_id="acc-2")),
    ):
        assert await resources.tenants.change(before.id, change)
        assert await resources.tenants.get(before.id) == after
    await resources.tenants.change(before.id, TenantChange(connector_id="connector-2", project_id="proj-2"))
    await resources.tenants.change(
        before.id, TenantChange(quotas={"active_subscriptions": None, "requests_per_second": 9})
    )
    found = await resources.tenants.get(before.id)
    assert found is not None
    assert (found.connector_id, found.project_id, found.quotas) == ("connector-2", "proj-2", Quotas(None, 6, 9))
    assert found.signing_secrets == before.signing_secrets


async def test_changes_that_meet_are_all_made(resources: Resources) -> None:
    one = (await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)).tenant

    await asyncio.gather(
        resources.tenants.change(one.id, TenantChange(name="Other")),
        resources.tenants.change(one.id, TenantChange(connector_id="connector-2")),
        resources.tenants.change(one.id, TenantChange(quotas={"active_subscriptions": 3})),
        resources.tenants.change(one.id, TenantChange(quotas={"subscriptions_per_call": 2})),
        resources.signing_secrets.rotate(one.id, 60),
    )

    found = await resources.tenants.get(one.id)
    assert found is not None
    assert (found.name, found.connector_id, found.quotas) == ("Other", "connector-2", Quotas(3, 2, None))
    assert len(found.signing_secrets) == 2


async def test_encryption_keys_can_be_rotated(resources: Resources, make_settings: MakeSettings) -> None:
    new = await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)

    async with open_resources(make_settings(encryption_keys=f"{NEW_KEY},{ENCRYPTION_KEY}")) as rotated:
        assert await rotated.tenants.get(new.tenant.id) == new.tenant
    async with open_resources(make_settings(encryption_keys=NEW_KEY)) as too_early:
        with pytest.raises(UndecryptableSecret):
            await too_early.tenants.get(new.tenant.id)


async def test_a_secret_that_was_moved_to_another_tenant_does_not_open(resources: Resources) -> None:
    one, other = [await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR) for _ in range(2)]
    redis = resources.ledger.redis
    await redis.hset(keys.tenant(other.tenant.id), mapping=await redis.hgetall(keys.tenant(one.tenant.id)))

    with pytest.raises(UndecryptableSecret):
        await resources.tenants.get(other.tenant.id)
