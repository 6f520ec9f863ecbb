"""The short form: the scripts hold what architecture.md promises, whatever workers and tenants do, in any order."""

import pytest

from tests.conftest import MakeSettings
from tests.protocol.installation import open_installation
from tests.protocol.whole_machine import SHORT_EXAMPLES, SHORT_STEPS, run


# It is a thousand steps, each of which waits for Redis twice or more: a busy machine takes its time.
@pytest.mark.timeout(240)
def test_the_scripts_hold_their_promises(make_settings: MakeSettings) -> None:
    with open_installation(make_settings(partitions=2)) as installation:
        run(installation, examples=SHORT_EXAMPLES, steps=SHORT_STEPS)
