"""A new signing secret, which nobody is to lose."""

import re

import pytest
from playwright.async_api import expect

from tests.console.browsing import Tab
from tests.e2e.stack import Stack, new_tenant, open_client

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_a_new_secret_is_shown_until_it_is_kept(tab: Tab, rig: Stack) -> None:
    tenant = await new_tenant(rig.admin)
    page = tab.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await tab.go("/secrets")
    await tab.log_in(tenant["api_key"])
    await page.get_by_label("The old secret goes on for").select_option("a week")
    await page.get_by_role("button", name="Make a new secret").click()
    await page.get_by_role("dialog").get_by_role("button", name="Make a new secret").click()

    shown = page.get_by_role("region", name="The new secret")
    await expect(shown).to_contain_text(re.compile("whsec_.{20}"))
    secret = await shown.locator(".code").text_content()
    assert secret
    await page.get_by_role("button", name="Copy new secret").click()
    await expect(page.get_by_text("Copied: new secret.")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == secret
    await expect(page.get_by_role("table").get_by_role("row")).to_have_count(1 + 2)
    await tab.assert_accessible()
    await tab.assert_fits_phone()

    question = page.get_by_role("dialog", name="Leave this page?")
    for leave in (page.get_by_role("link", name="Deliveries"), page.get_by_role("button", name="Log out")):
        await leave.click()
        await expect(question).to_be_visible()
        await tab.assert_accessible()
        await question.get_by_role("button", name="Cancel").click()
        await expect(shown).to_contain_text(secret)
        assert page.url.endswith("#/secrets")
    async with page.expect_event("dialog") as closing:
        await page.evaluate("setTimeout(() => location.reload())")
    warning = await closing.value
    assert warning.type == "beforeunload"
    await warning.dismiss()

    await page.get_by_role("button", name="I have kept it").click()
    await expect(shown).to_be_hidden()
    await page.get_by_role("link", name="Deliveries").click()
    await expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
    assert secret not in await page.content()
    async with open_client(tab.origin, tenant["api_key"]) as api:
        newest, old = (await api.get("/v1/signing-secrets")).json()["items"]
    assert secret.rstrip("=").endswith(newest["hint"])
    assert newest["expires_at"] is None
    assert old["expires_at"] is not None


async def test_a_secret_that_is_given_up_is_left(tab: Tab, rig: Stack) -> None:
    tenant = await new_tenant(rig.admin)
    page = tab.page
    await tab.go("/secrets")
    await tab.log_in(tenant["api_key"])
    await page.get_by_role("button", name="Make a new secret").click()
    await page.get_by_role("dialog").get_by_role("button", name="Make a new secret").click()
    await expect(page.get_by_role("region", name="The new secret")).to_be_visible()

    await page.get_by_role("link", name="Destinations").click()
    await page.get_by_role("dialog").get_by_role("button", name="Leave").click()

    await expect(page.get_by_role("heading", name="Destinations")).to_be_visible()
    assert page.url.endswith("#/destinations")
