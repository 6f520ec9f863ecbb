"""The console's files: how they are served, and that nothing in them leads outside or nowhere."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

import httpx
import pytest

import app.console

FOLDER = Path(app.console.__file__).parent
STATIC = FOLDER / "static"
VENDOR = STATIC / "vendor"
SHELL = "/console"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']""")
_DANGEROUS = re.compile(
    r"dangerouslySetInnerHTML|(inner|outer)HTML|insertAdjacentHTML|document\.(write|cookie)|\beval\(|new Function"
    r"|localStorage|indexedDB"
)
# Names of formats, which no browser asks for.
_NAMES = ("http://www.w3.org/",)


def _served() -> list[str]:
    files = (path for path in sorted(STATIC.rglob("*")) if path.suffix in TYPES)
    return [f"{SHELL}/static/{path.relative_to(STATIC).as_posix()}" for path in files]


def _ours(*suffixes: str) -> Iterator[Path]:
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in suffixes and VENDOR not in path.parents:
            yield path


async def test_the_page_and_its_files_are_served_with_what_the_browser_is_to_heed(api: httpx.AsyncClient) -> None:
    assert len(_served()) > 20
    for address in (SHELL, *_served()):
        answer = await api.get(address)

        assert answer.status_code == 200, address
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-cache"
        expected = TYPES.get(PurePosixPath(address).suffix, "text/html; charset=utf-8")
        assert answer.headers["content-type"] == expected


async def test_a_browser_that_has_a_file_is_not_sent_it_again(api: httpx.AsyncClient) -> None:
    for address in (SHELL, f"{SHELL}/static/app.js"):
        tag = (await api.get(address)).headers["etag"]
        for kept in (tag, f"W/{tag}", f'"another", {tag}', "*"):
            answer = await api.get(address, headers={"If-None-Match": kept})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == tag
            assert answer.headers["content-security-policy"] == POLICY
        assert (await api.get(address, headers={"If-None-Match": '"another"'})).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["", "nothing.js", "../pages.py", "..%2fpages.py", "%2e%2e/shell.html", "vendor", "vendor/../../pages.py", "%00"],
)
async def test_nothing_else_is_served(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"{SHELL}/static/{path}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_address_with_a_slash_leads_to_the_one_without(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{SHELL}/")
    assert (answer.status_code, answer.headers["location"]) == (308, SHELL)

    transport = api._transport
    assert isinstance(transport, httpx.ASGITransport)
    transport.root_path = "/ringback"
    assert (await api.get(f"/ringback{SHELL}/")).headers["location"] == f"/ringback{SHELL}"


async def test_what_the_page_loads_is_there_also_behind_a_prefix(api: httpx.AsyncClient) -> None:
    page = (await api.get(SHELL)).text
    transport = api._transport
    assert isinstance(transport, httpx.ASGITransport)
    transport.root_path = "/ringback"

    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert len(loaded) > 4
    for address in loaded:
        assert (await api.get(urljoin(f"http://ringback.test/ringback{SHELL}", address))).status_code == 200


def test_the_page_has_no_script_and_no_style_of_its_own() -> None:
    page = (FOLDER / "shell.html").read_text()

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
    assert all(" src=" in tag and text == "" for tag, text in re.findall(r"<script([^>]*)>([^<]*)", page))


def test_every_import_leads_to_a_file() -> None:
    modules = list(STATIC.rglob("*.js"))
    assert modules
    for module in modules:
        for name in _IMPORT.findall(module.read_text()):
            assert name.startswith(("./", "../")), f"{module.name} imports {name!r}"
            found = (module.parent / name).resolve()
            assert found.is_file(), f"{module.name} imports {name!r}"
            assert STATIC in found.parents


def test_nothing_leads_outside() -> None:
    for path in _ours(".html", ".js", ".css", ".svg"):
        text = path.read_text()
        addresses = [one for one in re.findall(r"[a-z]+://[^\s\"'`)]+", text) if not one.startswith(_NAMES)]
        assert not addresses, f"{path.name} names {addresses}"
        assert not re.search(r"@import|url\(|[\"'(=]//", text), path.name


def test_nothing_puts_text_into_the_page_as_html_or_keeps_the_key_elsewhere() -> None:
    for path in _ours(".js"):
        assert not _DANGEROUS.search(path.read_text()), path.name


def test_the_code_of_others_is_what_was_handed_out() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE)

    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    assert dict(rows) == {name: told for name, told in sums.items() if name != "README.md"}


def test_no_file_of_ours_is_long() -> None:
    for path in _ours(".html", ".js", ".css"):
        assert len(path.read_text().splitlines()) < 300, path.name
