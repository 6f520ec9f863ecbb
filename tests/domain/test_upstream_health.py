"""When the upstream fails for everybody, and who may ask it then."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cadence import (
    RETRY_AFTER_MAX_SECONDS,
    Failed,
    InvalidSid,
    NotFound,
    PollOutcome,
    Unauthorized,
)
from app.domain.upstream_budget import CredentialSet
from app.domain.upstream_health import (
    FAILING_CALLS,
    FAILURES_IN_A_ROW,
    FIRST_PAUSE_SECONDS,
    FIRST_RATE,
    LONGEST_PAUSE_SECONDS,
    MOST_HELD_SECONDS,
    RELAPSE_CALLS,
    WELL_SECONDS,
    Begin,
    Healthy,
    Probing,
    Recovering,
    UpstreamHealth,
    Wait,
)
from tests.builders import START
from tests.domain.strategies import RULE

OURS, THEIRS = CredentialSet("a", "p", "ours"), CredentialSet("b", "p", "theirs")
PATIENCE = 15.0
FAILS = Failed("http_503")
GOOD = NotFound()


def report_all(health: UpstreamHealth, outcome: PollOutcome, *, count: int, calls: int, now: float = START) -> None:
    for number in range(count):
        health.report(f"call {number % calls}", OURS, outcome, now, 0.0)


def failing(now: float = START) -> UpstreamHealth:
    health = UpstreamHealth(PATIENCE)
    report_all(health, FAILS, count=FAILURES_IN_A_ROW, calls=FAILING_CALLS, now=now)
    assert isinstance(health.state, Probing)
    return health


def probe(health: UpstreamHealth, outcome: PollOutcome, now: float) -> float:
    """Make the next probe, which is answered at once, and return when it began."""
    admission = health.admit("probe", now, now, 0.0)
    while isinstance(admission, Wait):
        now = max(admission.until, now + 0.001)
        admission = health.admit("probe", now, now, 0.0)
    health.report("probe", OURS, outcome, admission.at, 0.0)
    return admission.at


@pytest.mark.parametrize(
    ("count", "calls"), [(FAILURES_IN_A_ROW - 1, FAILING_CALLS), (10 * FAILURES_IN_A_ROW, FAILING_CALLS - 1)]
)
def test_few_failures_or_failing_calls_are_their_own_trouble(count: int, calls: int) -> None:
    health = UpstreamHealth(PATIENCE)
    report_all(health, FAILS, count=count, calls=calls)

    assert health.state == Healthy()
    assert health.admit("any", START + 1, START, 0.0) == Begin(START + 1)


@pytest.mark.parametrize("good", [NotFound(), Unauthorized(), InvalidSid()])
def test_a_denial_comes_from_an_upstream_that_is_up(good: PollOutcome) -> None:
    health = UpstreamHealth(PATIENCE)
    for _ in range(3):
        report_all(health, FAILS, count=FAILURES_IN_A_ROW - 1, calls=FAILING_CALLS)
        health.report("one", OURS, good, START, 0.0)
    assert health.state == Healthy()


def test_what_fails_one_credential_set_while_another_is_well_is_its_own_trouble() -> None:
    health = UpstreamHealth(PATIENCE)
    health.report("theirs", THEIRS, GOOD, START, 0.0)
    report_all(health, FAILS, count=100, calls=50, now=START + WELL_SECONDS)
    assert health.state == Healthy()

    report_all(health, FAILS, count=1, calls=1, now=START + WELL_SECONDS + 1)
    assert isinstance(health.state, Probing)


def test_one_call_asks_for_all_and_the_others_wait() -> None:
    health = failing()
    admissions = [health.admit(f"call {number}", START, START, 0.5) for number in range(200)]

    assert admissions[0] == Begin(START + FIRST_PAUSE_SECONDS)
    assert all(isinstance(one, Wait) and one.until > START + FIRST_PAUSE_SECONDS for one in admissions[1:])
    assert health.may_begin("call 0")
    assert not health.may_begin("call 1")


def test_the_pauses_between_probes_grow() -> None:
    health, now = failing(), START
    begun = [now := probe(health, FAILS, now) for _ in range(8)]

    pauses = [after - before for before, after in pairwise([START, *begun])]
    assert pauses == pytest.approx([1, 2, 4, 8, *[LONGEST_PAUSE_SECONDS] * 4])


@pytest.mark.parametrize(("told", "obeyed"), [(7.0, 7.0), (1e9, RETRY_AFTER_MAX_SECONDS)])
def test_the_upstream_may_ask_for_longer_ones(told: float, obeyed: float) -> None:
    health = failing()
    first = probe(health, Failed("http_503", told), START)

    assert probe(health, FAILS, first) == pytest.approx(first + obeyed)


def test_what_was_under_way_when_it_began_to_fail_is_no_probe() -> None:
    health = failing()
    before = health.state
    report_all(health, FAILS, count=100, calls=50)
    assert health.state == before


def test_a_probe_that_is_never_heard_of_is_followed_by_another() -> None:
    health = failing()
    first = health.admit("one", START, START, 0.0)
    assert isinstance(first, Begin)
    later = first.at + PATIENCE + 1

    assert isinstance(health.admit("another", later, later - 2, 0.0), Wait)
    assert isinstance(health.admit("another", later, later, 0.0), Begin)


def test_the_first_good_answer_opens_a_way_that_grows() -> None:
    health = failing()
    since = probe(health, GOOD, START)
    assert isinstance(health.state, Recovering)

    begun = Counter[int]()
    for number in range(2000):
        match health.admit(f"call {number}", since, since, 0.0):
            case Begin(at):
                begun[int(at - since)] += 1
            case Wait(until):
                begun[int(until - since)] += 1

    seconds = [begun[second] for second in range(5)]
    assert FIRST_RATE <= seconds[0] <= 2 * FIRST_RATE
    assert all(1.6 < after / before < 2.5 for before, after in pairwise(seconds)), seconds


def test_it_is_healthy_again_when_nobody_has_had_to_wait() -> None:
    health = failing()
    since = probe(health, GOOD, START)
    for number in range(1000):
        health.admit(f"call {number}", since, since, 0.0)
    last = max(since, health.state.last_back_at) if isinstance(health.state, Recovering) else since

    states = []
    for now in (last, last + 5):
        assert isinstance(health.admit("one", now, now, 0.0), Begin)
        states.append(health.state.name)
    assert states == ["recovering", "healthy"]


def test_a_relapse_goes_on_where_the_pauses_were() -> None:
    health, now = failing(), START
    for outcome in (FAILS, FAILS, GOOD):
        now = probe(health, outcome, now)

    report_all(health, FAILS, count=RELAPSE_CALLS, calls=RELAPSE_CALLS, now=now)

    assert isinstance(health.state, Probing)
    assert probe(health, GOOD, now) == pytest.approx(now + 8)


def test_a_few_broken_calls_are_no_relapse() -> None:
    health = failing()
    now = probe(health, GOOD, START)
    report_all(health, FAILS, count=100, calls=RELAPSE_CALLS - 1, now=now)
    assert isinstance(health.state, Recovering)


@RULE
@given(
    st.lists(
        st.tuples(
            st.integers(0, 30), st.sampled_from([FAILS, FAILS, FAILS, Failed("timeout", 5.0), GOOD]),
            st.floats(0, 3), st.floats(0, 1, exclude_max=True),
        ),
        max_size=300,
    )
)  # fmt: skip
def test_whatever_happens_each_claim_has_a_moment_ahead_and_nobody_waits_for_ever(
    happens: list[tuple[int, PollOutcome, float, float]],
) -> None:
    health, now = UpstreamHealth(PATIENCE), START
    for call, outcome, passed, jitter in happens:
        now += passed
        match health.admit(f"call {call}", now + jitter, now, jitter):
            case Begin(at):
                assert now <= at <= now + jitter + MOST_HELD_SECONDS
                health.report(f"call {call}", OURS, outcome, at, jitter)
            case Wait(until):
                assert now < until <= now + PATIENCE + 2 * LONGEST_PAUSE_SECONDS + MOST_HELD_SECONDS
    # A good answer ends it, whoever is the probe.
    begun = probe(health, GOOD, now + PATIENCE)
    assert not isinstance(health.state, Probing)
    later = begun + 10 * LONGEST_PAUSE_SECONDS
    assert health.admit("call", later, later, 0.0) == Begin(later)
