"""What a child process needs to be told before it becomes another program."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

# From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1


def die_with_parent(last_signal: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """A `preexec_fn`: the child gets `last_signal` when this process dies. None where no kernel does that.

    Linux counts the *thread* that starts the child as the parent: start children from one that lives to the
    end, which is to say the main thread.
    """
    if sys.platform != "linux":
        return None
    # Loaded before the fork: the child may do next to nothing in between.
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(last_signal), 0, 0, 0)
        # The parent may have died before the kernel was asked; then no signal would ever come.
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel
