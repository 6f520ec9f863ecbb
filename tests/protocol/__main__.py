"""The long form: many more examples from a seed, and mutants of the scripts, each of which must be found.

`python -m tests.protocol --seed 1 --examples 2000`; `--no-mutants` leaves those out, `--only TEXT` takes those mutants
alone that break what has this text.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import Phase

from app.settings import Settings
from app.store.connection import StoreUnavailable
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.protocol.installation import Installation, open_installation
from tests.protocol.mutants import MUTANTS, Mutant, mutated
from tests.protocol.whole_machine import SHORT_EXAMPLES, SHORT_STEPS, run
from tests.topologies import Single

_STEPS = 60
_MUTANT_EXAMPLES = 600


def _found(installation: Installation, mutant: Mutant, examples: int, steps: int, seed: int | None) -> str:
    """Return how the machine found a mutant, empty when it did not; raises when the mutant is no script at all."""
    with mutated(installation, mutant):
        try:
            run(installation, examples=examples, steps=steps, seed=seed, phases=[Phase.generate])
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever the machine stumbles over has told it
            return str(error).partition("\n")[0] or type(error).__name__
    return ""


def _hunt(installation: Installation, mutants: list[Mutant], seed: int) -> list[Mutant]:
    """Return the mutants that were not found."""
    missed = []
    for mutant in mutants:
        began = time.monotonic()
        found, form = _found(installation, mutant, SHORT_EXAMPLES, SHORT_STEPS, None), "short form"
        if not found:
            found, form = _found(installation, mutant, _MUTANT_EXAMPLES, _STEPS, seed), "long form"
        missed += [] if found else [mutant]
        told = f"{form}: {found}" if found else "NOT FOUND"
        _say(f"{time.monotonic() - began:5.1f} s  {mutant.script}: {mutant.breaks}  ->  {told[:110]}")
    return missed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.protocol", description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--examples", type=int, default=2000)
    arguments.add_argument("--no-mutants", action="store_true")
    arguments.add_argument("--only", default="")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, Single(Path(folder), appendfsync="no") as redis:
        settings = Settings(
            redis_url=redis.url,
            upstream_base_url="http://127.0.0.1:9",
            admin_key=ADMIN_KEY,
            encryption_keys=ENCRYPTION_KEY,
            partitions=2,
        )
        with open_installation(settings) as installation:
            if not chosen.only:
                run(installation, examples=chosen.examples, steps=_STEPS, seed=chosen.seed)
                _say(f"{chosen.examples} examples of seed {chosen.seed} hold.")
            mutants = [one for one in MUTANTS if chosen.only in one.breaks and not chosen.no_mutants]
            missed = _hunt(installation, mutants, chosen.seed)
    if mutants:
        _say(f"{len(mutants) - len(missed)} of {len(mutants)} mutants were found.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
