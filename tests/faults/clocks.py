"""A clock that can be stepped while a process runs: libfaketime before the C library, with the step in a file.

The monotonic clock goes on, as it does when a machine's clock is set.
"""

import importlib.util
from pathlib import Path


def stepped_by(file: Path) -> dict[str, str]:
    """Return the environment of a process whose clock is off by what `step` has written into the file."""
    package = importlib.util.find_spec("libfaketime")
    if package is None or package.origin is None:
        raise RuntimeError("libfaketime is not installed: run `make setup`")
    (library,) = Path(package.origin).parent.glob("vendor/libfaketime/src/libfaketime.so.1")
    step(file, 0)
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def step(file: Path, seconds: float) -> None:
    """Set the clock so many seconds ahead of the true time, or behind it."""
    new = file.with_suffix(".new")
    new.write_text(f"{seconds:+g}\n")
    # Whole: a reader finds the old step or the new one.
    new.replace(file)
