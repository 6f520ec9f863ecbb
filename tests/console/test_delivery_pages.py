"""Deliveries and destinations: what was sent, what came back, and sending it again."""

import json
import re

import pytest
from playwright.async_api import expect

from app.dev.embedded_redis import free_port
from tests.builders import LIFE
from tests.conftest import ADMIN_KEY
from tests.console.browsing import Tab
from tests.e2e.stack import Stack, new_path, new_sid, new_tenant, open_client
from tests.peers import Reply, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def _failed(rig: Stack, call_sid: str, events: int) -> str:
    """Wait until all events of a call are given up, and return the id of a delivery."""
    query = {"call_sid": call_sid, "status": "failed"}
    found: list[dict[str, str]] = []

    async def over() -> bool:
        found[:] = (await rig.api.get("/v1/deliveries", params=query)).raise_for_status().json()["items"]
        return len(found) == events

    await eventually(over, "the deliveries have failed")
    return found[0]["id"]


async def test_a_failed_delivery_is_looked_at_and_sent_again(tab: Tab, rig: Stack) -> None:
    sid, path = new_sid(), new_path()
    rig.receiver.reply(path, then=Reply(500, b"<h1>The CRM is overloaded</h1>"))
    rig.tell(sid, LIFE[:1])
    subscription = await rig.subscribe(sid, path, headers={"x-crm-key": "opens the CRM"})
    await _failed(rig, sid, 1)
    page = tab.page
    await tab.go(f"/deliveries?status=failed&call_sid={sid}")
    await tab.log_in(rig.api_key)

    await page.get_by_role("link", name="call.created").click()

    attempts = page.get_by_role("table", name="Attempts")
    await expect(attempts.get_by_role("row")).to_have_count(1 + 4)
    await expect(attempts.get_by_text("<h1>The CRM is overloaded</h1>").first).to_be_visible()
    last = rig.receiver.at(path)[-1]
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        await expect(page.get_by_text(last.headers[name], exact=True).last).to_be_visible()
    await expect(page.get_by_text("x-crm-key")).to_be_visible()
    assert "opens the CRM" not in await page.content()
    payload = await page.get_by_role("region", name="Payload").text_content()
    assert payload == json.dumps(json.loads(last.body), indent=2)
    await expect(page.get_by_role("link", name=sid)).to_have_attribute(
        "href", re.compile(f"#/calls/{sid}\\?account_id=")
    )
    await tab.assert_accessible()
    await tab.assert_fits_phone()

    rig.receiver.reply(path, then=Reply(202))
    await page.evaluate("window.isTheSamePage = true")
    await page.get_by_role("button", name="Send again").click()
    await expect(page.get_by_text("Sent again, and delivered: 202.")).to_be_visible()
    await expect(attempts.get_by_role("row")).to_have_count(1 + 5)
    assert rig.receiver.at(path)[-1].headers["webhook-id"] == last.headers["webhook-id"]
    assert await page.evaluate("window.isTheSamePage")

    await rig.api.delete(f"/v1/subscriptions/{subscription['id']}")
    async with page.expect_response(re.compile(r"/v1/deliveries/dlv_[^/]+$")):
        await page.get_by_role("button", name="Send again").click()
    await expect(page.get_by_role("alert").filter(has_text="Not sent again")).to_contain_text("cancelled or disabled")
    await expect(page.get_by_text("delivered", exact=True)).to_be_visible()


async def test_everything_that_failed_is_sent_again(tab: Tab, rig: Stack) -> None:
    sid, path = new_sid(), new_path()
    rig.receiver.reply(path, then=Reply(400))
    rig.tell(sid, LIFE[:2])
    await rig.subscribe(sid, path)
    await _failed(rig, sid, 2)
    rig.receiver.reply(path)
    page = tab.page
    await tab.go("/deliveries")
    await tab.log_in(rig.api_key)
    await page.get_by_label("Call SID").fill(sid)
    await page.get_by_role("button", name="Filter").click()
    rows = page.get_by_role("table", name="Deliveries").get_by_role("row")
    await expect(rows.filter(has_text="failed")).to_have_count(2)
    await tab.assert_accessible()
    await tab.assert_fits_phone()

    await page.get_by_role("button", name="Retry all failed").click()
    await page.get_by_role("dialog").get_by_role("button", name="Retry all").click()

    await expect(page.get_by_text(re.compile(r"deliveries are sent again\."))).to_be_visible()
    await expect(rows.filter(has_text="delivered")).to_have_count(2)
    await page.get_by_label("Status").select_option("failed")
    await expect(page.get_by_text("No such deliveries")).to_be_visible()


async def test_a_destination_that_is_down_is_shown_to_its_tenant_and_to_the_operator(tab: Tab, rig: Stack) -> None:
    tenant = await new_tenant(rig.admin, "Down Ltd")
    page = tab.page
    await page.clock.install()
    await tab.go("/destinations")
    await tab.log_in(tenant["api_key"])
    await expect(page.get_by_text("All receivers are fine")).to_be_visible()
    destination = f"http://127.0.0.1:{free_port()}"
    sid = new_sid()
    rig.tell(sid, LIFE)
    async with open_client(tab.origin, tenant["api_key"]) as api:
        body = {"call_sid": sid, "callback_url": f"{destination}/hook"}
        (await api.post("/v1/subscriptions", json=body)).raise_for_status()

        async def opened() -> bool:
            found = (await api.get("/v1/destinations")).raise_for_status().json()["items"]
            return any(one["state"] in ("open", "probing") for one in found)

        await eventually(opened, "the breaker opens")

    await page.clock.fast_forward(10_000)

    row = page.get_by_role("row").filter(has_text=destination)
    await expect(row).to_contain_text(re.compile("open: nothing is tried|probing: one is tried"))
    await expect(row).to_contain_text("nobody accepted the connection")
    await tab.assert_accessible()
    await tab.assert_fits_phone()

    await page.get_by_role("button", name="Log out").click()
    await tab.log_in(ADMIN_KEY, "admin")
    await tab.go("/admin/destinations")
    await expect(row.get_by_role("link", name="Down Ltd")).to_be_visible()
    await tab.assert_fits()
