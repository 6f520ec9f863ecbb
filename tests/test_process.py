"""What a process asks of the system for itself."""

import subprocess
import sys

_SCRIPT = """
import gc, resource
from app.process import settle_in
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
settle_in()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(65536, hard), gc.get_freeze_count() > 0)
"""


def test_a_process_may_have_many_files_open_and_spares_the_collector() -> None:
    told = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)  # noqa: S603 -- ours
    assert told.stdout.split() == ["True", "True"]
