"""A tab of a browser that shows the console, and notes all that goes wrong in it."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, expect

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 20_000
_GRAVE = {"serious", "critical"}


@dataclass
class Tab:
    """A page of the console; `complaints` are what the browser said against it, and requests to other places."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    async def go(self, place: str = "") -> None:
        """Open the console at a place such as `/calls`, or its first page."""
        await self.page.goto(f"{self.origin}/console" + (f"#{place}" if place else ""))
        await expect(self.page.locator("h1")).to_be_visible()

    async def log_in(self, key: str, kind: str = "tenant") -> None:
        """Log in on the login page, which must be shown, and wait for what comes behind it."""
        await self.page.get_by_label("The admin key" if kind == "admin" else "An API key of a tenant").check()
        await self.page.get_by_label("Key", exact=True).fill(key)
        await self.page.get_by_role("button", name="Log in").click()
        await expect(self.page.get_by_role("button", name="Log out")).to_be_visible()

    async def assert_accessible(self) -> None:
        """Fail with what axe finds serious or critical in the page as it is."""
        found = (await Axe().run(self.page)).response["violations"]
        grave = [one for one in found if one["impact"] in _GRAVE]
        told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in grave]
        assert not grave, json.dumps(told, indent=2)

    async def assert_fits_phone(self) -> None:
        """Make the window as narrow as a phone, and fail when the page is wider."""
        await self.page.set_viewport_size({"width": 375, "height": 800})
        await self.assert_fits()

    async def assert_fits(self) -> None:
        """Fail when the page is wider than the window."""
        wide = await self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"the page is {wide} px too wide"


async def open_tab(context: BrowserContext, origin: str) -> Tab:
    """Open a tab for the console of this origin; nothing is shown in it yet."""
    # A violation of the policy is told on the console too, but not each one as an error.
    await context.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));"
    )
    page = await context.new_page()
    tab = Tab(page, origin)

    def note_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _is_refusal(message, origin):
            tab.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def note_request(request: Request) -> None:
        if not request.url.startswith(f"{origin}/"):
            tab.complaints.append(f"a request to {request.url}")

    page.on("console", note_message)
    page.on("request", note_request)
    page.on("pageerror", lambda error: tab.complaints.append(f"not caught: {error}"))
    return tab


def _is_refusal(message: ConsoleMessage, origin: str) -> bool:
    """Whether the browser only tells of an answer of the API that is no success: pages show those in words."""
    return message.text.startswith("Failed to load resource: the server responded") and message.location[
        "url"
    ].startswith(f"{origin}/v1/")
