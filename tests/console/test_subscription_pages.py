"""Subscriptions, and what is done with them."""

import pytest
from playwright.async_api import expect

from tests.builders import LIFE
from tests.console.browsing import Tab
from tests.e2e.stack import Stack, new_path, new_sid

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

# Goes to an address and types into a field of it in the very moment in which that is there. Ends when all of what
# the page does after it is drawn has had its turn.
TYPE_AT_ONCE = """
([address, name, text]) => new Promise((ended) => {
  const observer = new MutationObserver(() => {
    const field = document.querySelector(`[name="${name}"]`);
    if (!field) return;
    observer.disconnect();
    field.value = text;
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(ended)));
  });
  observer.observe(document.body, { childList: true, subtree: true });
  location.hash = address;
})
"""


async def test_a_subscription_is_made_paused_resumed_replayed_and_cancelled(tab: Tab, rig: Stack) -> None:
    sid, path = new_sid(), new_path()
    rig.tell(sid, LIFE[:2])
    await tab.go()
    await tab.log_in(rig.api_key)
    await tab.page.get_by_role("link", name="Subscriptions").click()
    await tab.page.get_by_role("link", name="Subscribe").click()
    await tab.page.get_by_label("Call SID").fill(sid)
    await tab.page.get_by_label("Callback URL").fill("https://user@example.com/")
    await tab.page.get_by_role("button", name="Subscribe").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("callback_url")
    await expect(tab.page.get_by_label("Callback URL")).to_have_attribute("aria-invalid", "true")
    await expect(tab.page.get_by_label("Callback URL")).to_be_focused()
    await tab.assert_accessible()
    await tab.page.get_by_label("Callback URL").fill(rig.receiver_url + path)
    await tab.page.get_by_label("Metadata").fill("deal")
    await tab.page.get_by_role("button", name="Subscribe").click()
    await expect(tab.page.get_by_label("Metadata")).to_be_focused()
    await tab.page.get_by_label("Metadata").fill("deal=4711")
    await tab.page.get_by_text("Headers for the receiver").click()
    await tab.page.get_by_label("Extra headers").fill("authorization: Bearer of-the-receiver")
    await tab.page.get_by_role("button", name="Subscribe").click()

    facts = tab.page.locator("dl")
    await expect(facts).to_contain_text("4711")
    await expect(facts).to_contain_text("authorization: ***")
    await tab.assert_accessible()
    await tab.page.get_by_role("button", name="Pause").click()
    await expect(facts).to_contain_text("paused")
    await tab.page.get_by_role("button", name="Resume").click()
    await expect(facts).to_contain_text("active")
    await tab.page.get_by_role("button", name="Replay").click()
    await expect(tab.page.locator("main").get_by_role("status")).to_contain_text("2 events sent again.")
    await tab.page.get_by_role("button", name="Cancel").press("Enter")
    await expect(tab.page.get_by_role("button", name="Keep it")).to_be_focused()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    await expect(facts).to_contain_text("cancelled")
    await expect(tab.page.get_by_role("button", name="Pause")).to_have_count(0)
    await expect(tab.page.locator("main")).to_be_focused()

    await tab.page.get_by_role("link", name="Subscriptions").click()
    await tab.page.get_by_label("Status").select_option("cancelled")
    await tab.page.get_by_role("button", name="Show").click()
    await expect(tab.page.get_by_role("row").filter(has_text=sid)).to_contain_text("cancelled")
    await tab.page.set_viewport_size({"width": 375, "height": 800})
    await tab.assert_accessible()
    await tab.assert_fits()


async def test_what_is_typed_as_soon_as_a_form_is_there_stays(tab: Tab, rig: Stack) -> None:
    await tab.go("/subscriptions")
    await tab.log_in(rig.api_key)
    await tab.page.evaluate(TYPE_AT_ONCE, ["#/subscriptions/new", "call_sid", "OUT-1"])
    await expect(tab.page.get_by_label("Call SID")).to_have_value("OUT-1")
    await tab.page.get_by_label("Callback URL").fill("https://example.com/")
    await expect(tab.page.get_by_label("Call SID")).to_have_value("OUT-1")


async def test_a_test_event_shows_what_the_receiver_answers(tab: Tab, rig: Stack) -> None:
    await tab.go()
    await tab.log_in(rig.api_key)
    await tab.page.get_by_role("link", name="Test event").click()
    await tab.page.get_by_label("Callback URL").fill("https://user@example.com/")
    await tab.page.get_by_role("button", name="Send").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("callback_url")
    await tab.page.get_by_label("Callback URL").fill(rig.receiver_url + new_path())
    await tab.page.get_by_role("button", name="Send").click()
    await expect(tab.page.locator("dl")).to_contain_text("204")
    await expect(tab.page.get_by_text("The receiver took it.", exact=True)).to_be_visible()
    await tab.assert_accessible()
    await tab.assert_fits()
