"""What a tenant may ask for."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.call import TERMINAL
from app.domain.dialect import status_path
from app.domain.errors import InvalidSubscription
from app.domain.subscription import (
    MAX_EVENTS,
    MAX_HEADER_VALUE_LENGTH,
    MAX_HEADERS,
    MAX_METADATA_BYTES,
    MAX_METADATA_KEY_LENGTH,
    MAX_METADATA_KEYS,
    MAX_METADATA_VALUE_LENGTH,
    MAX_NAME_LENGTH,
    SubscriptionStatus,
    check_call_sid,
    check_headers,
    check_metadata,
    check_name,
    event_filter,
    registration_digest,
)
from tests.builders import CALL_SID, CONNECTOR, make_key
from tests.domain.strategies import RULE


def refusal_of(check: Callable[[], object]) -> InvalidSubscription:
    """Return the error of a check, which must name its field and say something."""
    with pytest.raises(InvalidSubscription) as caught:
        check()
    assert str(caught.value)
    return caught.value


class TestTheEventsAskedFor:
    @pytest.mark.parametrize(
        ("names", "wanted", "unwanted"),
        [
            ([], ["call.created", "call.on_hold", "call.completed", "call.lost"], []),
            (["call.*"], ["call.created", "call.on_hold", "call.completed", "call.lost"], []),
            (["final"], ["call.completed", "call.no_answer", "call.lost"], ["call.created", "call.on_hold"]),
            (["call.ringing"], ["call.ringing"], ["call.created", "call.completed", "call.lost", "call.ring"]),
            (["call.ringing", "final"], ["call.ringing", "call.busy", "call.lost"], ["call.queued"]),
            (["call.ringing", "call.*"], ["call.queued", "call.lost"], []),
            (["call.final"], ["call.final"], ["call.completed"]),
        ],
    )
    def test_are_the_ones_delivered(self, names: list[str], wanted: list[str], unwanted: list[str]) -> None:
        chosen = event_filter(names)
        assert [name for name in wanted + unwanted if chosen.wants(name)] == wanted

    @pytest.mark.parametrize("ending", sorted(TERMINAL | {"lost"}))
    def test_final_means_every_end_a_call_can_have(self, ending: str) -> None:
        assert event_filter(["final"]).wants(f"call.{ending}")

    def test_are_kept_once_and_in_order(self) -> None:
        assert event_filter(["final", "call.ringing", "final"]).names == ("final", "call.ringing")

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "ringing",
            "call.",
            "call.in-progress",
            "call.Ringing",
            "*",
            "call.ring*",
            "Final",
            "call.x\n",
            "call." + "x" * 65,
            "call.\ud800",
            "completed",
            "ping",
        ],
        ids=ascii,
    )
    def test_that_are_none_are_refused(self, name: str) -> None:
        assert refusal_of(lambda: event_filter(["call.ringing", name])).field == "events"

    def test_have_a_bound(self) -> None:
        names = [f"call.step_{number}" for number in range(MAX_EVENTS + 1)]
        assert len(event_filter(names[:-1]).names) == MAX_EVENTS
        assert refusal_of(lambda: event_filter(names)).field == "events"


class TestACallSid:
    @pytest.mark.parametrize("sid", [CALL_SID, "OUT-1", "OUT-a.b_c~d-e", "OUT-" + "x" * 124])
    def test_of_the_upstream_is_taken_as_it_is(self, sid: str) -> None:
        assert check_call_sid(sid) == sid

    @pytest.mark.parametrize(
        "sid",
        [
            "",
            "OUT-",
            "out-1",
            "IN-1",
            "1",
            " OUT-1",
            "OUT-1 ",
            "OUT-1\n",
            "OUT-a/b",
            "OUT-a%2Fb",
            "OUT-a?b",
            "OUT-é",
            "OUT-{07}",
            "OUT-a:b",
            "OUT-" + "x" * 125,
            "xOUT-1",
            "OUT-\x00",
        ],
        ids=ascii,
    )
    def test_that_the_upstream_cannot_have_made_is_refused(self, sid: str) -> None:
        assert refusal_of(lambda: check_call_sid(sid)).field == "call_sid"


class TestAName:
    @pytest.mark.parametrize("name", ["a", "your-account-id", "a.b", "...a", "~!@/%", "x" * MAX_NAME_LENGTH])
    def test_is_printable_ascii(self, name: str) -> None:
        assert check_name("account_id", name) == name

    @pytest.mark.parametrize(
        "name",
        [
            "",
            " ",
            "a b",
            "a\tb",
            "a\n",
            "\x7f",
            "\x00",
            "é",
            "\N{NO-BREAK SPACE}",
            "\ud800",
            "x" * (MAX_NAME_LENGTH + 1),
        ],
        ids=ascii,
    )
    def test_that_cannot_travel_in_a_url_or_a_header_is_refused(self, name: str) -> None:
        assert refusal_of(lambda: check_name("connector_id", name)).field == "connector_id"

    @pytest.mark.parametrize("dots", [".", "..", "..."])
    def test_of_dots_would_be_a_step_in_the_upstreams_path_and_is_refused(self, dots: str) -> None:
        """Percent-encoding leaves a dot a dot, and HTTP clients resolve `/../` before they send."""
        assert f"/{dots}/" in status_path(make_key(account_id=dots))
        assert refusal_of(lambda: check_name("account_id", dots)).field == "account_id"

    def test_that_is_a_credential_is_not_repeated_in_the_refusal(self) -> None:
        assert CONNECTOR not in str(refusal_of(lambda: check_name("connector_id", CONNECTOR + " ")))


class TestMetadata:
    def test_within_its_bounds_is_kept_in_order(self) -> None:
        metadata = {"z": "", "a": "Zoë \N{TELEPHONE RECEIVER}\n", "k" * MAX_METADATA_KEY_LENGTH: "v" * 500}
        kept = check_metadata(metadata)
        assert kept == metadata
        assert list(kept) == list(metadata)
        assert kept is not metadata

    @pytest.mark.parametrize(
        "metadata",
        [
            {"": "x"},
            {"k" * (MAX_METADATA_KEY_LENGTH + 1): "x"},
            {"k": "v" * (MAX_METADATA_VALUE_LENGTH + 1)},
            {f"k{number}": "x" for number in range(MAX_METADATA_KEYS + 1)},
            {f"k{number}": "v" * MAX_METADATA_VALUE_LENGTH for number in range(MAX_METADATA_KEYS)},
            {f"k{number}": "\N{TELEPHONE RECEIVER}" * 100 for number in range(7)},
            {"k": "\ud800"},
            {"\udfff": "x"},
        ],
        ids=lambda metadata: ascii(metadata)[:30],
    )
    def test_beyond_its_bounds_is_refused(self, metadata: dict[str, str]) -> None:
        assert refusal_of(lambda: check_metadata(metadata)).field == "metadata"

    @RULE
    @given(st.dictionaries(st.text(max_size=50), st.text(max_size=600), max_size=25))
    def test_that_is_kept_is_small(self, metadata: dict[str, str]) -> None:
        try:
            kept = check_metadata(metadata)
        except InvalidSubscription:
            return
        assert len(json.dumps(kept).encode()) <= MAX_METADATA_BYTES


class TestHeaders:
    def test_for_the_receivers_own_authentication_are_kept_in_lower_case(self) -> None:
        headers = {"Authorization": "Bearer a b", "X-Api-Key": "~" * MAX_HEADER_VALUE_LENGTH}
        assert check_headers(headers) == {"authorization": "Bearer a b", "x-api-key": "~" * 1000}

    @pytest.mark.parametrize(
        "name",
        [
            "Host",
            "CONTENT-LENGTH",
            "content-type",
            "Transfer-Encoding",
            "Connection",
            "Cookie",
            "Date",
            "Via",
            "Webhook-Id",
            "webhook-signature",
            "webhook-anything",
            "Proxy-Authorization",
            "Sec-Fetch-Site",
            "User-Agent",
            "TraceParent",
            "X-Forwarded-For",
            "X-Connector-Id",
            "Upgrade",
            "TE",
            "Expect",
        ],
    )
    def test_that_belong_to_the_delivery_or_to_http_are_refused(self, name: str) -> None:
        assert refusal_of(lambda: check_headers({name: "x"})).field == "headers"

    @pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a\r\nb", "é", "x" * 101, "(a)", "a\x00", "a\n"], ids=ascii)
    def test_whose_name_is_none_are_refused(self, name: str) -> None:
        assert refusal_of(lambda: check_headers({name: "x"})).field == "headers"

    @pytest.mark.parametrize(
        "value",
        ["", " ", " x", "x ", "x\r\ny: z", "x\n", "\x00", "é", "\x7f", "x" * (MAX_HEADER_VALUE_LENGTH + 1)],
        ids=lambda value: ascii(value)[:20],
    )
    def test_whose_value_could_break_out_of_its_line_are_refused(self, value: str) -> None:
        assert refusal_of(lambda: check_headers({"x-api-key": value})).field == "headers"

    def test_given_twice_in_different_case_are_refused(self) -> None:
        assert refusal_of(lambda: check_headers({"X-Key": "a", "x-key": "b"})).field == "headers"

    def test_have_a_bound(self) -> None:
        headers = {f"x-key-{number}": "x" for number in range(MAX_HEADERS + 1)}
        assert refusal_of(lambda: check_headers(headers)).field == "headers"
        headers.popitem()
        assert check_headers(headers) == headers

    def test_that_are_refused_do_not_repeat_their_secret(self) -> None:
        assert "s3cret" not in str(refusal_of(lambda: check_headers({"authorization": "s3cret\n"})))


class TestTheRegistrationDigest:
    URL = "https://crm.example.com/hooks"

    def test_is_the_same_for_the_same_tenant_and_url(self) -> None:
        assert registration_digest("ten_1", self.URL) == registration_digest("ten_1", self.URL)
        assert len(registration_digest("ten_1", self.URL)) == 12

    def test_tells_tenants_and_urls_apart(self) -> None:
        asked = [("ten_1", self.URL), ("ten_2", self.URL), ("ten_1", self.URL + "/"), ("ten_", "1" + self.URL)]
        assert len({registration_digest(*pair) for pair in asked}) == len(asked)


def test_the_words_of_a_subscriptions_status_are_the_contracts() -> None:
    assert {str(status) for status in SubscriptionStatus} == {
        "active",
        "paused",
        "completed",
        "cancelled",
        "disabled",
    }
