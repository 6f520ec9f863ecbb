"""Ticks go on when the machine's clock is set."""

from datetime import UTC, datetime, timedelta

import pytest
from arq import cron
from arq.cron import CronJob

from workers.ticking import forget_far_runs


@pytest.fixture
def job() -> CronJob:
    return cron("asyncio.sleep", second=set(range(60)), microsecond=0)


@pytest.mark.parametrize("seconds", [600, -600, 6])
def test_a_run_that_is_far_from_now_is_found_anew(job: CronJob, seconds: float) -> None:
    """The clock was set back or ahead since it was found."""
    job.next_run = datetime.now(UTC) + timedelta(seconds=seconds)
    forget_far_runs([job])
    assert job.next_run is None


@pytest.mark.parametrize("seconds", [1, -1])
def test_a_run_that_is_near_stays(job: CronJob, seconds: float) -> None:
    job.next_run = run = datetime.now(UTC) + timedelta(seconds=seconds)
    forget_far_runs([job])
    assert job.next_run is run


def test_a_worker_that_starts_has_no_run_yet(job: CronJob) -> None:
    forget_far_runs([job])
    assert job.next_run is None
