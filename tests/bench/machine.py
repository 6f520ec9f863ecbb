"""What was measured on: without it, no two figures can be compared."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from app.dev.embedded_redis import find_redis_server

_PACKAGES = ("aiohttp", "arq", "fastapi", "hiredis", "httpx", "redis", "uvloop")


def circumstances() -> dict[str, object]:
    """Return the machine and the versions of what is used, ready for JSON."""
    return {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "load_average": os.getloadavg(),
        "redis_server": _redis_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _cpu_model() -> str:
    """Return the processor's name as Linux tells it, elsewhere what little Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _redis_version() -> str:
    """Return such as `6.2.14`."""
    told = subprocess.run([find_redis_server(), "--version"], capture_output=True, text=True, check=True)  # noqa: S603 -- our own server
    return next(word.removeprefix("v=") for word in told.stdout.split() if word.startswith("v="))
