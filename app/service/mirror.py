"""The upstream's status endpoint, answered from what is kept."""

import asyncio

from app.domain.call import CallKey
from app.domain.dialect import INVALID_CALL_SID, INVALID_CONNECTOR, UNKNOWN_CALL, WrittenAnswer
from app.domain.errors import InvalidSubscription
from app.domain.mirror import mirrored
from app.domain.subscription import check_call_sid, check_name
from app.service.read_through import ReadThrough
from app.store.connectors import ConnectorStore, Lookup

# A call that has just been registered is polled within tens of milliseconds, plus what the upstream takes. Whoever
# asks sooner waits for that, some three seconds at most, since a client that was told of an unknown call would give up.
_WAITS_FOR_FIRST_POLL = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5)


class MirrorService:
    """What a client written for the upstream is told here; no key is needed but the call's connector.

    Nobody learns here which calls there are: the connector is part of the key under which a call is kept, so a call
    followed with another one is not there, and whether a connector is known does not depend on the call.
    """

    def __init__(self, *, connectors: ConnectorStore, read_through: ReadThrough | None) -> None:
        """Without `read_through` a call that nobody follows is unknown."""
        self._connectors = connectors
        self._read_through = read_through

    async def status(self, key: CallKey) -> WrittenAnswer:
        """Return the upstream's answer to a client that asks for `key`, whose parts are as they were sent."""
        if not _are_names(key):
            return INVALID_CONNECTOR
        look = await self._connectors.look_up(key)
        if not _is_call_sid(key.call_sid):
            return INVALID_CALL_SID if look.connector_known or self._read_through else INVALID_CONNECTOR
        answer = _answer(look)
        if answer is None and self._read_through:
            return await self._read_through.ask(key)
        if answer is None and look.call:
            answer = await self._after_first_poll(key)
        return answer or (UNKNOWN_CALL if look.call or look.connector_known else INVALID_CONNECTOR)

    async def _after_first_poll(self, key: CallKey) -> WrittenAnswer | None:
        for seconds in _WAITS_FOR_FIRST_POLL:
            await asyncio.sleep(seconds)
            if answer := _answer(await self._connectors.look_up(key)):
                return answer
        return None


def _answer(look: Lookup) -> WrittenAnswer | None:
    return mirrored(look.call.watch, look.call.events) if look.call else None


def _are_names(key: CallKey) -> bool:
    """Whether an account, a project and a connector can be called so; nothing else is known to anybody."""
    try:
        for part in (key.account_id, key.project_id, key.connector_id):
            check_name("", part)
    except InvalidSubscription:
        return False
    return True


def _is_call_sid(text: str) -> bool:
    try:
        check_call_sid(text)
    except InvalidSubscription:
        return False
    return True
