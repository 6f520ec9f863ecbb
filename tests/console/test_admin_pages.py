"""What the operator sees: everything at a glance, the tenants and their keys."""

import pytest
from playwright.async_api import Route, expect

from tests.conftest import ADMIN_KEY
from tests.console.browsing import Tab
from tests.e2e.stack import Stack, new_tenant, open_client

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PARTS = ("tenants", "live_calls", "lag_seconds", "jobs", "destinations", "redis", "queue_redis")


async def test_the_operator_sees_how_everything_is_doing(tab: Tab) -> None:
    page = tab.page
    await page.clock.install()
    await tab.go()
    await tab.log_in(ADMIN_KEY, "admin")

    tile = page.get_by_role("region", name="Redis of the data")
    await expect(tile).to_contain_text("MiB")
    await expect(tile).to_contain_text("no limit set")
    await expect(page.get_by_role("region", name="Lag")).to_contain_text("Deliveries")
    await tab.assert_accessible()
    await tab.assert_fits_phone()

    async def nothing_is_known(route: Route) -> None:
        await route.fulfill(json=dict.fromkeys(PARTS))

    await page.route("**/v1/admin/overview", nothing_is_known)
    await page.clock.fast_forward(10_000)
    await expect(page.get_by_text("This could not be read just now.")).to_have_count(len(PARTS))


async def test_the_operator_makes_a_key_and_revokes_it(tab: Tab, rig: Stack) -> None:
    tenant = await new_tenant(rig.admin, "Keys Ltd")
    page = tab.page
    await tab.go("/admin/tenants")
    await tab.log_in(ADMIN_KEY, "admin")
    await expect(page.get_by_role("link", name="Tenants")).to_have_attribute("aria-current", "page")
    await expect(page.get_by_role("link", name="Overview")).not_to_have_attribute("aria-current", "page")
    await tab.assert_accessible()
    await page.get_by_role("link", name="Keys Ltd").click()
    await expect(page.get_by_text(tenant["id"])).to_be_visible()
    await page.get_by_label("Name of a new key").fill("CRM, 2027")
    await page.get_by_role("button", name="Make a key").click()
    shown = page.get_by_role("region", name="The new key: CRM, 2027")
    key = await shown.locator(".code").text_content()
    assert key
    await tab.assert_accessible()
    await tab.assert_fits_phone()
    await shown.get_by_role("button", name="I have kept it").click()

    async with open_client(tab.origin, key) as api:
        assert (await api.get("/v1/tenant")).json()["id"] == tenant["id"]

        await page.get_by_role("button", name="Revoke CRM, 2027").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()

        await expect(page.get_by_role("row").filter(has_text="CRM, 2027")).to_have_count(0)
        assert (await api.get("/v1/tenant")).status_code == 401
    assert key not in await page.content()
