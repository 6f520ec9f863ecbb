"""An append-only file that is cut anywhere holds each script wholly or not at all."""

from pathlib import Path

import pytest

from app.dev.embedded_redis import EmbeddedRedis
from app.resources import open_resources
from tests.builders import LIFE
from tests.conftest import MakeSettings
from tests.faults.power_loss import FileSizes
from tests.store.keys import everything
from tests.store.making import register
from tests.store.polling import answered, claim_polls, step_after


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99, 1.0])
async def test_a_script_that_is_cut_leaves_nothing(make_settings: MakeSettings, tmp_path: Path, share: float) -> None:
    """Redis loads such a file with `aof-load-truncated`, which is its default."""
    with EmbeddedRedis(tmp_path, appendfsync="everysec") as server:
        async with open_resources(make_settings(redis_url=server.url)) as own:
            file = tmp_path / "appendonly.aof"
            one = await register(own)
            [claimed] = await claim_polls(own, one.partition)
            before, begins = await everything(own), file.stat().st_size
            await own.watches.commit(one.partition, [step_after(claimed, answered(claimed, LIFE))])
            after, ends = await everything(own), file.stat().st_size

            server.kill()
            lost = FileSizes(file).cut(begins + round((ends - begins) * share))
            server.start()

            assert bool(lost) == (share < 1)
            kept = {name: value for name, (value, _) in (await everything(own)).items()}
            assert kept == {name: value for name, (value, _) in (after if share == 1 else before).items()}


def test_a_file_is_cut_back_to_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"kept, and lost")
    assert FileSizes(file).before(0.0) == 0
    assert FileSizes(file).cut(4) == 10
    assert file.read_bytes() == b"kept"
