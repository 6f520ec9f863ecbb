"""What hypothesis draws for the rules of the domain: calls' lives, and answers as an upstream may garble them."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from app.domain.cadence import Answered, Failed, InvalidSid, NotFound, PollOutcome, Unauthorized
from app.domain.call import RANKS, TERMINAL
from app.domain.dialect import parse_answer
from app.domain.errors import MalformedAnswer
from tests.builders import make_body, make_key

# Machines that run tests are busy: no deadline, and drawing slowly is no fault of the rule.
RULE = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])

Written = tuple[str, str | None]

_BIRTH = datetime(2024, 3, 15, 10, tzinfo=UTC)
# Every status in the vendor's spelling and in others that mean the same.
SPELLINGS = {
    "created": ("CREATED", "created"),
    "queued": ("queued", "Queued"),
    "ringing": ("ringing", "RINGING"),
    "in_progress": ("in-progress", "IN_PROGRESS", "InProgress"),
    "completed": ("completed", "Completed"),
    "failed": ("failed", "FAILED"),
    "no_answer": ("no-answer", "NoAnswer", "no answer"),
    "busy": ("busy", "BUSY"),
    "cancelled": ("cancelled", "CANCELLED"),
}
_ON_THE_WAY = sorted(SPELLINGS.keys() - TERMINAL)
_UNHEARD_OF = ("on-hold", "Transferring", "voicemail detected")


def written(instant: datetime, style: int) -> str:
    """Write an instant in one of the spellings that the upstream may use for it."""
    spellings = (
        instant.isoformat().replace("+00:00", "Z"),
        instant.isoformat(),
        instant.isoformat().replace("+00:00", ""),
        instant.isoformat(" ").replace("+00:00", " UTC"),
        instant.astimezone(UTC).isoformat().replace("+00:00", "+0000"),
    )
    return spellings[style % len(spellings)]


def _instants(size: int) -> st.SearchStrategy[list[datetime]]:
    offsets = st.lists(st.integers(0, 600_000), min_size=size, max_size=size, unique=True)
    return offsets.map(lambda values: [_BIRTH + timedelta(milliseconds=value) for value in values])


@st.composite
def _ended(draw: st.DrawFn, names: list[str]) -> list[str]:
    """Let a call end, or not: after its last status at most one terminal one follows."""
    ending = draw(st.sampled_from([None, *sorted(TERMINAL)]))
    if ending is None:
        return names or ["created"]
    return [*names, ending]


def _spelled(draw: st.DrawFn, names: list[str]) -> list[str]:
    return [draw(st.sampled_from(SPELLINGS.get(name, (name,)))) for name in names]


@st.composite
def histories_by_time(draw: st.DrawFn) -> list[Written]:
    """A history whose times ascend; statuses come in any order, some unheard of, some entries timeless."""
    names = draw(st.lists(st.sampled_from([*_ON_THE_WAY, *_UNHEARD_OF]), max_size=7))
    names = _spelled(draw, draw(_ended(names)))
    instants: list[datetime] = sorted(draw(_instants(len(names))))
    equal = draw(st.booleans())
    found: list[Written] = []
    for status, instant in zip(names, instants, strict=True):
        shown = instant.replace(microsecond=0, second=0) if equal else instant
        timeless = draw(st.integers(0, 7)) == 0
        found.append((status, None if timeless else written(shown, draw(st.integers(0, 4)))))
    return found


@st.composite
def histories_by_life(draw: st.DrawFn) -> list[Written]:
    """A history whose statuses follow a call's life, with distinct times that may be off."""
    names = draw(st.lists(st.sampled_from(_ON_THE_WAY), max_size=6))
    names = draw(_ended(sorted(names, key=RANKS.__getitem__)))
    instants = draw(_instants(len(names)))
    return [
        (status, written(instant, draw(st.integers(0, 4))))
        for status, instant in zip(_spelled(draw, names), instants, strict=True)
    ]


@st.composite
def lives_on_time(draw: st.DrawFn) -> list[Written]:
    """A history whose statuses follow a call's life and whose distinct times ascend: it may be shuffled."""
    told = draw(histories_by_life())
    instants = sorted(draw(_instants(len(told))))
    return [(status, written(at, 0)) for (status, _), at in zip(told, instants, strict=True)]


json_documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=5)
    | st.sampled_from(["ringing", "completed", "2024-03-15T10:00:00Z", "status", "lost"]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)

_statuses = st.sampled_from([spelling for group in SPELLINGS.values() for spelling in group]) | st.text(max_size=12)
_wild_entries = st.lists(st.tuples(_statuses | st.sampled_from(["lost", "LOST"]), json_documents), max_size=5)


@st.composite
def poll_outcomes(draw: st.DrawFn) -> PollOutcome:
    """Anything that a poll can come back with, as an upstream in disorder would give it."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return NotFound()
    if kind == 1:
        return Unauthorized()
    if kind == 2:
        return InvalidSid()
    if kind == 3:
        return Failed("http_500", draw(st.floats(0, 1e9)))
    body = make_body(pairs=draw(_wild_entries), status=draw(_statuses))
    try:
        return Answered(parse_answer(body, make_key()))
    except MalformedAnswer:
        return Failed("malformed")
