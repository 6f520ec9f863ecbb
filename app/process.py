"""What a process that serves for months asks of Python and of the system."""

import gc
import resource
from contextlib import suppress

# A request or a claim makes some hundreds of objects that outlive their call; Python's own threshold is 700.
_OBJECTS_BEFORE_COLLECTING = 10_000
# A deliver worker's connections, and those that are kept open for some seconds to a thousand receivers, are more than
# the 1,024 files that a process may usually have open. That bound is for programs that use select(): others lift it.
_OPEN_FILES = 65_536


def settle_in() -> None:
    """Have the garbage collector leave alone what stays for good, and let as many files be open as may be."""
    _spare_the_collector()
    _open_many_files()


def _spare_the_collector() -> None:
    """Have the garbage collector come less often: it took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)


def _open_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Some systems promise more than they give.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
