"""A master is lost in the middle of a run, for good: the processes go on with its replica by themselves.

On the cluster they have no more rights than the README gives a user.
"""

import asyncio
import re
from pathlib import Path

import pytest

from app.dev.simulator import SimulatorSettings
from tests.e2e.stack import Stack, running
from tests.judge import Subscriber
from tests.processes import ROOT
from tests.topologies import Cluster, Sentinel, ask

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

CALLS = 12
# Of some 50 transitions with two subscribers each: in the middle of the run.
MIDDLE = 30
_RIGHTS = re.compile(r"^ACL SETUSER (?P<rights>(?:[^\n]|(?<=\\)\n)*)", re.MULTILINE)


class ClusterWithUsers(Cluster):
    """A cluster and a queue with the users that the README tells of."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "no", replicas=True)
        self.url = self.url.replace("://", "://ledger:secret@")
        self.queue_url = self.queue_url.replace("://", "://queue:secret@")

    def denied(self) -> list[object]:
        """Return what somebody was not allowed to do."""
        return [entry for one in self.servers if one.pid for entry in ask(one.port, "ACL", "LOG")]

    def _find_together(self) -> None:
        super()._find_together()
        for found in _RIGHTS.finditer((ROOT / "README.md").read_text()):
            rights = found["rights"].replace("\\\n", "").replace(">…", ">secret").split()
            for one in self.servers:
                ask(one.port, "ACL", "SETUSER", *rights)


async def lose_a_master(folder: Path, redis: Cluster | Sentinel) -> None:
    async with running(
        folder,
        simulator=SimulatorSettings(seed=13, time_lapse=45, error_share=0, slow_share=0),
        topology=redis,
        upstream_timeout_seconds=2,
        delivery_timeout_seconds=2,
        delivery_retry_seconds="0.5,0.5,0.5,0.5",
    ) as stack:
        await asyncio.to_thread(redis.be_ready)
        subscribers = await stack.subscribe_all(await stack.place(CALLS), each=2)
        await stack.receiver.until(lambda: len(stack.receiver.receipts) >= MIDDLE, "the middle of the run")
        redis.lose_a_master()
        await stack.until_over(subscribers)

        judgement = await stack.judge(subscribers)
        assert judgement.faults(crashed=True) == []
        assert judgement.delivered_once + judgement.delivered_more == judgement.expected == 2 * judgement.transitions
        for process in (stack.poll_worker, stack.deliver_worker):
            assert process.runs
            assert "Traceback" not in process.output
        await use_the_rest(stack, subscribers[0])
        if isinstance(redis, ClusterWithUsers):
            assert redis.denied() == []


async def use_the_rest(stack: Stack, subscriber: Subscriber) -> None:
    """Ask of Redis what a run does not."""
    one = await stack.subscribe(subscriber.call_sid)
    name = f"/v1/subscriptions/{one['id']}"
    (await stack.api.post(f"{name}/replay")).raise_for_status()
    for path in (name, "/v1/subscriptions", "/v1/calls", "/v1/deliveries", "/v1/signing-secrets"):
        (await stack.api.get(path)).raise_for_status()
    (await stack.api.get("/v1/deliveries", params={"status": "failed"})).raise_for_status()
    (await stack.api.delete(name)).raise_for_status()
    (await stack.api.post("/v1/signing-secrets/rotate", json={"overlap_seconds": 1})).raise_for_status()
    (tenant,) = (await stack.admin.get("/v1/admin/tenants")).raise_for_status().json()["items"]
    (await stack.admin.delete(f"/v1/admin/tenants/{tenant['id']}")).raise_for_status()
    (await stack.admin.get("/readyz")).raise_for_status()


async def test_a_failover_loses_nothing(tmp_path: Path) -> None:
    cluster, sentinel = ClusterWithUsers(tmp_path / "nodes"), Sentinel(tmp_path / "pair", "no")
    # Both at once: most of it is waiting until they find that the master is gone.
    await asyncio.gather(lose_a_master(tmp_path / "cluster", cluster), lose_a_master(tmp_path / "sentinel", sentinel))
