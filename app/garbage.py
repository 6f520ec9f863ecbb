"""Python's garbage collector in a process that serves for months."""

import gc

# A request or a claim makes some hundreds of objects that outlive their call; Python's own threshold is 700.
_OBJECTS_BEFORE_COLLECTING = 10_000


def spare_the_collector() -> None:
    """Have the garbage collector leave alone what stays for good, and come less often: it took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)
