"""Redis as an installation may have it: one server, a master with a replica behind three sentinels, or a cluster.

Everything is started out of the one redis-server binary, on loopback. `--redis=cluster` or `--redis=sentinel` makes the
tests' own Redis another one; what a test does with it is the same.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from redis import Redis
from redis.exceptions import RedisError

from app.dev.child_process import die_with_parent
from app.dev.embedded_redis import HOST, EmbeddedRedis, find_redis_server, free_port

Kind = Literal["single", "sentinel", "cluster"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Fsync = Literal["always", "everysec", "no"]
SERVICE = "ringback"
# Of silence until a node counts as lost: more than a busy machine makes one wait for.
LOST_SECONDS = 1.5
_SLOTS = 16384
_MASTERS = 3
_BUS = 10_000
_PATIENCE_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.05
# A replica is there to be taken at once, without a snapshot that waits for others to come.
_REPLICATION = ("--repl-ping-replica-period", "1", "--repl-diskless-sync-delay", "0")
_CLUSTER = (
    "--cluster-enabled", "yes", "--cluster-node-timeout", str(round(LOST_SECONDS * 1000)),
    "--cluster-replica-validity-factor", "0",
)  # fmt: skip


class Topology:
    """Servers that are started and ended together, all of which hold data; where the ledger and the queue are."""

    url: str
    queue_url: str

    def __init__(self, servers: Sequence[EmbeddedRedis]) -> None:
        self.servers = servers
        self._settled = False

    def start(self) -> None:
        """Start everything, and the first time wait until it has found together."""
        self.launch()
        self.settle()

    def launch(self) -> None:
        """Start the servers: from the main thread, or they end with the thread."""
        for server in self.servers:
            server.start()

    def settle(self) -> None:
        """Wait for what takes seconds the first time; in a thread of its own, where others must not wait."""
        if not self._settled:
            self._find_together()
            self._settled = True

    def _find_together(self) -> None: ...

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.kill)
            self.start()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def masters(self) -> list[EmbeddedRedis]:
        """Return those that are up and take writes."""
        return [one for one in self.servers if one.pid and ask(one.port, "ROLE")[0] == b"master"]

    def flush(self) -> None:
        for one in self.masters():
            ask(one.port, "FLUSHALL")


class Single(Topology):
    """One server."""

    def __init__(self, folder: Path, appendfsync: Fsync) -> None:
        super().__init__([EmbeddedRedis(folder, appendfsync=appendfsync)])
        self.url = self.queue_url = self.servers[0].url


class Cluster(Topology):
    """Three masters, each with a replica where they are to be lost; and a Redis for the queue, which has no shards."""

    def __init__(self, folder: Path, appendfsync: Fsync, *, replicas: bool = False) -> None:
        self._nodes = [
            EmbeddedRedis(
                folder / f"node-{number}",
                port=port_with_bus(),
                appendfsync=appendfsync,
                extra_arguments=[*_CLUSTER, *_REPLICATION],
            )
            for number in range(_MASTERS * (2 if replicas else 1))
        ]
        queue = EmbeddedRedis(folder / "queue", appendfsync=appendfsync)
        super().__init__([*self._nodes, queue])
        self.url = "redis+cluster://" + ",".join(f"{HOST}:{one.port}" for one in self._nodes[:_MASTERS])
        self.queue_url = queue.url

    def be_ready(self) -> None:
        """Wait until all are up and agree: after a start a master takes two seconds to take writes."""
        _until(lambda: all(map(_is_well, self._nodes)), "a cluster in good health")

    def lose_a_master(self) -> EmbeddedRedis:
        """Kill a master that has slots; its replica takes its place by itself."""
        lost = next(one for one in self._nodes if one in self.masters())
        lost.kill()
        return lost

    def _find_together(self) -> None:
        masters, replicas = self._nodes[:_MASTERS], self._nodes[_MASTERS:]
        for number, one in enumerate(masters):
            ask(one.port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            ask(one.port, "CLUSTER", "ADDSLOTS", *range(_SLOTS * number // 3, _SLOTS * (number + 1) // 3))
        for one in self._nodes[1:]:
            ask(self._nodes[0].port, "CLUSTER", "MEET", HOST, one.port)
        _until(lambda: all(self._knows_all(one) for one in self._nodes), "nodes that know each other")
        for master, replica in zip(masters, replicas, strict=False):
            ask(replica.port, "CLUSTER", "REPLICATE", ask(master.port, "CLUSTER", "MYID"))
        _until(lambda: all(map(_is_in_step, replicas)), "replicas that are in step")
        self.be_ready()

    def _knows_all(self, one: EmbeddedRedis) -> bool:
        nodes = ask(one.port, "CLUSTER", "NODES").decode()
        return len(nodes.splitlines()) == len(self._nodes) and "handshake" not in nodes


class Sentinel(Topology):
    """A master and a replica, and three sentinels, of which two must agree."""

    def __init__(self, folder: Path, appendfsync: Fsync) -> None:
        master = EmbeddedRedis(folder / "one", appendfsync=appendfsync, extra_arguments=_REPLICATION)
        following = [*_REPLICATION, "--replicaof", HOST, str(master.port)]
        replica = EmbeddedRedis(folder / "other", appendfsync=appendfsync, extra_arguments=following)
        super().__init__([master, replica])
        self._sentinels = [_SentinelServer(folder / f"sentinel-{number}", master.port) for number in range(3)]
        hosts = ",".join(f"{HOST}:{one.port}" for one in self._sentinels)
        self.url = self.queue_url = f"redis+sentinel://{hosts}/{SERVICE}"

    def launch(self) -> None:
        super().launch()
        for one in self._sentinels:
            one.start()

    def kill(self) -> None:
        for one in self._sentinels:
            one.kill()
        super().kill()

    def lose_a_master(self) -> EmbeddedRedis:
        """Kill the master; the sentinels make the replica master, once `be_ready` has returned."""
        (master,) = self.masters()
        master.kill()
        return master

    def be_ready(self) -> None:
        """Wait until the master can be spared, which takes the sentinels some seconds to find out."""
        (replica,) = (one for one in self.servers if one not in self.masters())
        _until(lambda: _is_in_step(replica), "a replica that is in step")
        _until(lambda: all(one.is_ready() for one in self._sentinels), "sentinels that know each other and the replica")


class _SentinelServer:
    """A sentinel; its folder keeps what it has learned."""

    def __init__(self, folder: Path, master_port: int) -> None:
        self.port = free_port()
        self._folder = folder
        self._master_port = master_port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._process is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "sentinel.conf"
        configuration.write_text(
            f"port {self.port}\nbind {HOST}\ndir {self._folder}\n"
            f"sentinel monitor {SERVICE} {HOST} {self._master_port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {round(LOST_SECONDS * 1000)}\n"
            f"sentinel failover-timeout {SERVICE} 5000\n"
        )
        with (self._folder / "sentinel.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- the command is ours, and no shell reads it
                [find_redis_server(), configuration, "--sentinel"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 -- one system call, looked up before
            )
        _until(self._answers, "a sentinel that answers")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def is_ready(self) -> bool:
        told = ask(self.port, "SENTINEL", "MASTER", SERVICE)
        state = dict(zip(told[::2], told[1::2], strict=True)) if isinstance(told, list) else told
        return (_number(state, "num-slaves"), _number(state, "num-other-sentinels")) == (1, 2)

    def _answers(self) -> bool:
        try:
            return bool(ask(self.port, "PING"))
        except (RedisError, OSError):
            return False


_TOPOLOGIES: dict[Kind, Callable[[Path, Fsync], Topology]] = {
    "single": Single,
    "sentinel": Sentinel,
    "cluster": Cluster,
}
_CHOICE = "TESTS_REDIS"


def choose(kind: Kind) -> None:
    """Say what `open_topology` is to return from now on, in this process and in those that it starts."""
    os.environ[_CHOICE] = kind


def open_topology(folder: Path, appendfsync: Fsync) -> Topology:
    """Return the Redis that these tests are to run on, not yet started."""
    chosen: Any = os.environ.get(_CHOICE, "single")
    kind: Kind = chosen
    return _TOPOLOGIES[kind](folder, appendfsync)


def ask(port: int, *command: Any) -> Any:
    """Ask one server."""
    client = Redis(HOST, port, socket_timeout=5)
    # Answers as they come: redis-py reads more out of some than is there.
    client.response_callbacks.clear()
    try:
        return client.execute_command(*command)
    finally:
        client.close()


def _number(state: Any, name: str) -> int:
    return int(state.get(name.encode(), state.get(name, -1)))


def _is_well(one: EmbeddedRedis) -> bool:
    return b"cluster_state:ok" in ask(one.port, "CLUSTER", "INFO")


def _is_in_step(replica: EmbeddedRedis) -> bool:
    return b"master_link_status:up" in ask(replica.port, "INFO", "replication")


def port_with_bus() -> int:
    """Return a free port whose neighbour ten thousand above, where a cluster's nodes meet, is free too."""
    while True:
        port = free_port()
        # Where a kernel would hand it to a connection, it may be taken a moment later.
        if port + _BUS < 32_768:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port + _BUS)):
                    return port


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"there is no {what} after {_PATIENCE_SECONDS:g} s")
        time.sleep(_LOOK_AGAIN_SECONDS)
