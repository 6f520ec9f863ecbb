"""What the document says of texts is what the domain accepts, no more and no less."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.api import idempotency
from app.api.schemas import common
from app.domain.callback_url import CallbackUrlRules, InvalidCallbackUrl, check_callback_url
from app.domain.errors import RingbackError
from app.domain.idempotency import idempotency_key
from app.domain.signing import secret_key
from app.domain.subscription import check_call_sid, check_headers, check_name, event_filter


def _pattern(shape: Any) -> str:
    schema: dict[str, Any] = TypeAdapter(shape).json_schema()
    return str(schema["pattern"])


HEADER = TypeAdapter(common.ReceiverHeaders).json_schema()
# Each shape with the check that decides.
SHAPES = {
    "call_sid": (_pattern(common.CallSid), check_call_sid),
    "event": (_pattern(common.EventName), lambda text: event_filter([text])),
    "name": (_pattern(common.UpstreamName), lambda text: check_name("account_id", text)),
    "secret": (_pattern(common.SecretText), secret_key),
    "header name": (HEADER["propertyNames"]["pattern"], lambda text: check_headers({text: "x"})),
    "header value": (HEADER["additionalProperties"]["pattern"], lambda text: check_headers({"x-key": text})),
    "idempotency key": (
        idempotency.DOCUMENTED["parameters"][0]["schema"]["pattern"],
        lambda text: idempotency_key([text]),
    ),
}
# What a schema does not say: names that are reserved.
RESERVED = "is reserved"

RULES = CallbackUrlRules(allow_http=True, allow_private=True, ports=None)
# More than this is asked of a URL: a schema does not tell which hosts there are.
URL = _pattern(common.CallbackUrl)

every_shape = pytest.mark.parametrize("name", SHAPES)


def _refusal(name: str, text: str) -> str:
    try:
        SHAPES[name][1](text)
    except RingbackError as refusal:
        return str(refusal)
    return ""


@every_shape
@given(data=st.data())
def test_what_is_described_is_accepted(name: str, data: st.DataObject) -> None:
    # `$` of Python matches before a last newline too; that of JSON Schema does not.
    pattern = SHAPES[name][0].removesuffix("$") + r"\Z"
    text = data.draw(st.from_regex(pattern))
    if len(text) <= 1000:
        refusal = _refusal(name, text)
        assert not refusal or RESERVED in refusal


@every_shape
@given(data=st.data())
def test_what_is_not_described_is_refused(name: str, data: st.DataObject) -> None:
    near = st.from_regex(SHAPES[name][0]).flatmap(
        lambda text: st.tuples(st.just(text), st.characters(max_codepoint=300), st.integers(0, len(text)))
    )
    text, character, place = data.draw(near)
    changed = text[:place] + character + text[place:]
    if not re.fullmatch(SHAPES[name][0].removeprefix("^").removesuffix("$"), changed):
        # Blanks around a header's value are no part of it.
        assert _refusal(name, changed) or (name == "idempotency key" and changed != changed.strip(" \t"))


@given(text=st.from_regex(URL.removesuffix("$") + r"\Z") | st.from_regex(URL[1:-1]) | st.text(max_size=60))
def test_no_url_is_accepted_that_is_not_described(text: str) -> None:
    try:
        check_callback_url(text, RULES)
    except InvalidCallbackUrl:
        return
    assert re.fullmatch(URL[1:-1], text)
