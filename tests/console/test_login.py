"""Logging in."""

import pytest
from playwright.async_api import expect

from tests.console.browsing import Tab

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
async def test_an_unknown_key_is_refused_in_words(tab: Tab, scheme: str, width: int) -> None:
    await tab.page.set_viewport_size({"width": width, "height": 800})
    await tab.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await tab.go()
    await tab.page.get_by_label("The admin key").check()
    await tab.page.get_by_label("Key", exact=True).fill("nobody's key")

    await tab.page.keyboard.press("Enter")

    await expect(tab.page.get_by_role("alert")).to_contain_text("This key is not known")
    await expect(tab.page.get_by_role("heading", name="Log in")).to_be_visible()
    assert await tab.page.evaluate("sessionStorage.length") == 0
    await tab.assert_accessible()
    await tab.assert_fits()
