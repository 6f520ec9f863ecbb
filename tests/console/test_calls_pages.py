"""Calls, as they happen."""

import re

import pytest
from playwright.async_api import expect

from tests.builders import LIFE
from tests.console.browsing import Tab
from tests.e2e.stack import Stack, new_path, new_sid

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_a_call_goes_from_queued_to_its_end_without_reloading(tab: Tab, rig: Stack) -> None:
    sid = new_sid()
    rig.tell(sid, LIFE[:2])
    await tab.go()
    await tab.log_in(rig.api_key)
    await expect(tab.page.get_by_text("Live", exact=True)).to_be_visible()
    await rig.subscribe(sid)

    # In the list: a row appears, and its status changes.
    row = tab.page.get_by_role("row").filter(has_text=sid)
    await expect(row).to_contain_text("queued")
    rig.tell(sid, LIFE[:3])
    await expect(row).to_contain_text("ringing")
    await expect(row.get_by_role("cell").nth(1)).to_have_text(re.compile(r"^[\d,]+ d( \d+ h)?$"))
    await tab.assert_accessible()

    # On its page: events come one after the other, with when each was delivered.
    await row.get_by_role("link").click()
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text(f"Call {sid}")
    timeline = tab.page.get_by_role("table", name="Timeline")
    await expect(timeline.get_by_role("row")).to_have_count(4)
    rig.tell(sid, LIFE)
    final = timeline.get_by_role("row").filter(has_text="call.completed (final)")
    await expect(final).to_contain_text(re.compile(r"delivered .* UTC \S+ \S+ later"))
    await expect(tab.page.locator("dl")).to_contain_text("completed")
    await expect(tab.page.locator("dl")).to_contain_text("none any more")
    await expect(tab.page.locator("dl")).to_contain_text("lasted 5 min 30 s")
    await expect(tab.page.get_by_role("table", name="Subscriptions")).to_contain_text("5 delivered")
    await tab.assert_accessible()
    await tab.page.set_viewport_size({"width": 375, "height": 800})
    await tab.assert_fits()


async def test_calls_are_found_by_their_sid_and_by_keyboard(tab: Tab, rig: Stack) -> None:
    sid = new_sid()
    rig.tell(sid, LIFE)
    await rig.subscribe(sid)
    await tab.go()
    await tab.log_in(rig.api_key)
    await expect(tab.page.get_by_role("row").filter(has_text=sid)).to_contain_text("completed")

    await tab.page.get_by_label("Calls", exact=True).select_option("live")
    show = tab.page.get_by_role("button", name="Show")
    await show.press("Enter")
    await expect(tab.page.get_by_role("row").filter(has_text=sid)).to_have_count(0)
    await expect(show).to_be_focused()

    await tab.page.get_by_role("link", name="Show all").click()
    await expect(tab.page.get_by_role("row").filter(has_text=sid)).to_contain_text("completed")
    await expect(tab.page.get_by_label("Calls", exact=True)).to_have_value("")

    await tab.page.get_by_label("Call SID").focus()
    await tab.page.keyboard.type(sid)
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("heading", level=1)).to_be_focused()
    await expect(tab.page.get_by_role("table", name="Timeline").get_by_role("row")).to_have_count(6)


async def test_a_sid_that_is_two_calls_leads_to_both(tab: Tab, rig: Stack) -> None:
    sid = new_sid()
    await rig.subscribe(sid, account_id="account-of-the-first")
    await rig.subscribe(sid, account_id="account-of-the-second")
    await tab.go()
    await tab.log_in(rig.api_key)
    await tab.go(f"/calls/{sid}?account_id=account-of-the-first")
    await expect(tab.page.locator("dl")).to_contain_text("account-of-the-first")
    # The address tells the two apart, also when another is subscribed to meanwhile.
    await expect(tab.page).to_have_url(re.compile("account_id=account-of-the-first&project_id="))

    await tab.page.get_by_role("link", name="account account-of-the-second").click()

    await expect(tab.page.locator("dl")).to_contain_text("account-of-the-second")


async def test_a_call_that_nobody_follows_is_subscribed_to_by_keyboard_alone(tab: Tab, rig: Stack) -> None:
    sid, url = new_sid(), rig.receiver_url + new_path()
    rig.tell(sid, LIFE)
    await tab.go()
    await tab.log_in(rig.api_key)
    await tab.go(f"/calls/{sid}")
    keyboard = tab.page.keyboard
    await tab.page.get_by_role("link", name="Subscribe to it").press("Enter")
    await expect(tab.page.get_by_role("heading", level=1)).to_be_focused()
    await expect(tab.page.get_by_label("Call SID")).to_have_value(sid)

    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await keyboard.type(url)
    await keyboard.press("Enter")

    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Subscription")
    await expect(tab.page.locator("dl")).to_contain_text(sid)

    # The same once more changes nothing, and says so.
    await tab.go(f"/subscriptions/new?call_sid={sid}")
    await tab.page.get_by_label("Callback URL").fill(url)
    await tab.page.get_by_role("button", name="Subscribe").press("Enter")
    await expect(tab.page.get_by_text("were subscribed to already")).to_be_visible()
