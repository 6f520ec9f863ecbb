"""Scripts are run by their name; a Redis that does not know them, or any more, is given them."""

import asyncio
import re
from importlib.resources import files

import pytest

from app.resources import Resources
from app.store.connection import ScriptCall, StoreUnavailable
from tests.processes import ROOT

SWAPPED = ("swap_fields", ["hash"], ["field", "before", "after"])


async def forget(resources: Resources) -> None:
    await resources.ledger.redis.script_flush()
    await resources.ledger.redis.hset("hash", "field", "before")


async def test_a_script_that_redis_has_forgotten_runs_all_the_same(resources: Resources) -> None:
    await forget(resources)
    assert await resources.ledger.run(*SWAPPED)
    assert await resources.ledger.redis.hget("hash", "field") == b"after"


async def test_so_does_each_of_several(resources: Resources) -> None:
    await forget(resources)
    back = ScriptCall("swap_fields", ["hash"], ["field", "after", "before"])
    assert all(await resources.ledger.run_each([ScriptCall(*SWAPPED), back, ScriptCall(*SWAPPED)]))
    assert await resources.ledger.redis.hget("hash", "field") == b"after"


async def test_so_do_those_of_one_moment(resources: Resources) -> None:
    await forget(resources)
    answers = await asyncio.gather(*(resources.ledger.run_soon(*SWAPPED) for _ in range(5)))
    assert sorted(map(bool, answers)) == [False] * 4 + [True]


async def test_one_that_fails_harms_no_other_of_its_moment(resources: Resources) -> None:
    await forget(resources)
    await resources.ledger.redis.set("text", "no hash")
    failing = asyncio.create_task(resources.ledger.run_soon("swap_fields", ["text"], ["field", "before", "after"]))
    assert await resources.ledger.run_soon(*SWAPPED) == 1
    with pytest.raises(StoreUnavailable):
        await failing


async def test_one_of_several_that_fails_is_told_of(resources: Resources) -> None:
    await resources.ledger.redis.set("text", "no hash")
    with pytest.raises(StoreUnavailable):
        await resources.ledger.run_each([ScriptCall("swap_fields", ["text"], ["field", "before", "after"])])


def test_the_readmes_user_may_do_what_the_scripts_do() -> None:
    scripts = files("app.store").joinpath("lua").iterdir()
    called = {command for script in scripts for command in re.findall(r"redis\.call\('(\w+)'", script.read_text())}
    granted = re.search(r"^ACL SETUSER ledger (?:[^\n]|(?<=\\)\n)*", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert granted
    assert {f"+{command.lower()}" for command in called} <= set(granted[0].split())
