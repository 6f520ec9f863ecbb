"""How several processes share the tests: those that stand on one stack stay together, where it is started once.

Groups are told by file and not by xdist's marks: xdist 3.8 loses the marks with pytest 9.2, and says nothing.
"""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # it has none

# Files whose tests start what they need, each for itself.
_ALONE = ("test_judge", "test_streams_end", "test_rolling_restart", "test_termination", "test_upgrades")
_GROUPS = {
    "tests/e2e/test_documented_receivers.py": "documented",
    "tests/e2e/test_rotation.py": "busy",
    "tests/e2e/test_secrets_at_rest.py": "busy",
    "tests/e2e/test_traces.py": "traced",
    "tests/failovers/test_cluster_ledgers.py": "cluster",
} | {f"tests/e2e/{name}.py": "" for name in _ALONE}

_FOLDERS = {"tests/console/": "console", "tests/e2e/": "shared"}


class Sharing(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out groups, the largest first, and all other tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        group = next((name for folder, name in _FOLDERS.items() if file.startswith(folder)), "")
        return _GROUPS.get(file, group) or nodeid
