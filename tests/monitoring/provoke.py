"""Provoke every alert once against a real Prometheus, and draw the dashboard: `make alerts`, a quarter of an hour.

The service runs with its real processes under a steady load; the rules are those of deploy/prometheus/rules.yaml with
every window and `for` divided by 30 (`tests.monitoring.rules.quicker`), thresholds as they are. Needs `prometheus`
on the PATH; the picture is taken where there is a `chromium`. Names of alerts as arguments play only their scenes.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.monitoring.picture import draw
from tests.monitoring.prometheus import Prometheus, running_prometheus
from tests.monitoring.rules import ROOT, alerts
from tests.monitoring.scenes import SCENES, Scene
from tests.monitoring.world import World, running_world

FACTOR = 30.0
_WARM_UP_SECONDS = 30.0
# The longest window is an hour.
_RESOLVE_SECONDS = 3600 / FACTOR + 60
_RESULTS = ROOT / "bench-results"


@dataclass(slots=True)
class Row:
    """What came of an alert, in seconds since the breaking and since the mending; None for never."""

    alert: str
    how: str
    fired: float | None = None
    resolved: float | None = None
    mended_at: float = 0.0

    def note_end(self, prometheus: Prometheus) -> None:
        """Note when it ended, the first time that it is asked after that: later scenes may provoke it too."""
        if self.resolved is None and self.fired is not None and self.alert not in prometheus.firing:
            self.resolved = max(0.0, prometheus.ended[self.alert] - self.mended_at)

    def text(self) -> str:
        times = (f"{one:.0f} s" if one is not None else "NEVER" for one in (self.fired, self.resolved))
        return f"| {self.alert} | {self.how} | {' | '.join(times)} |"


async def _play(scene: Scene, world: World, prometheus: Prometheus) -> list[Row]:
    """Play one scene, and return once what it provoked is over, or will take long."""
    print(f"- {scene.how}", flush=True)  # noqa: T201 -- a program for a person
    begun = time.monotonic()
    async with scene.broken(world):
        await prometheus.until(scene.alerts, scene.seconds, fire=True)
        mended = time.monotonic()
    rows = [Row(name, scene.how, mended_at=mended) for name in scene.alerts]
    for row in rows:
        if (at := prometheus.began.get(row.alert, 0.0)) >= begun:
            row.fired = at - begun
    await prometheus.until(set(scene.alerts) - {"RingbackCallsLost", "RingbackDeadLetters"}, 90, fire=False)
    for row in rows:
        row.note_end(prometheus)
    return rows


async def _provoke(folder: Path, wanted: Sequence[Scene]) -> list[Row]:
    async with running_world(folder) as world:
        load = asyncio.create_task(world.load())
        ports = {"api": world.api_port, "poll": world.poll.port, "deliver": world.deliver.port}
        async with running_prometheus(folder, ports, FACTOR) as prometheus:
            begun = time.time()
            await asyncio.sleep(_WARM_UP_SECONDS)
            print(f"firing before anything is broken: {sorted(prometheus.firing) or 'nothing'}")  # noqa: T201
            rows = [row for scene in wanted for row in await _play(scene, world, prometheus)]
            await prometheus.until(alerts(), _RESOLVE_SECONDS, fire=False)
            print(f"firing at the end: {sorted(prometheus.firing) or 'nothing'}")  # noqa: T201
            for row in rows:
                row.note_end(prometheus)
            await draw(prometheus.url, begun, time.time(), _RESULTS)
        load.cancel()
    return rows


def main(names: Sequence[str]) -> int:
    if shutil.which("prometheus") is None:
        print("prometheus (Debian's package of that name) is not on the PATH.")  # noqa: T201
        return 2
    wanted = [scene for scene in SCENES if not names or set(names) & set(scene.alerts)]
    _RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ringback-alerts-") as folder:
        rows = asyncio.run(_provoke(Path(folder), wanted))
    table = ["| alert | how provoked | fired after | resolved after |", "| --- | --- | --- | --- |"]
    table += [row.text() for row in rows]
    (_RESULTS / "alerts.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))  # noqa: T201
    return int(any(row.fired is None or row.resolved is None for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
