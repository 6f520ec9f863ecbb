"""What an operator is told of a Redis that cannot be used: what no waiting helps against, and what may pass."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis import exceptions as redis_errors
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError

_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
_NOT_GRANTED = ("WRONGPASS", "NOAUTH", "NOPERM")
_NO_DATABASE = ("DB index", "invalid DB")
_NO_CLUSTER = "Cluster mode is not enabled"
# What Redis says begins with a code, of a transaction that it gives up behind words of its own; of what is said to a
# pipeline redis-py tells in its words.
_CODE = re.compile(r"""(?:^|of pipeline caused error: \(['"]|^Transaction discarded because of: )([A-Z]+)\b""")


Answer = TypeVar("Answer")


class NotLetIn(redis_errors.ResponseError):
    """An `AuthenticationError` that redis-py does not take for a lost connection."""


class RetryUnlessRefused(Retry):
    """Tries again what a lost connection may explain.

    redis-py derives its error of a wrong password from that of a lost connection, and tries it again inside of each
    trial of what it is asked for: without end, as far as anybody waits.
    """

    async def call_with_retry(
        self, do: Callable[[], Awaitable[Answer]], fail: Callable[[redis_errors.RedisError], Any]
    ) -> Answer:
        """Do something until it works, as often as this allows."""

        async def once() -> Answer:
            try:
                return await do()
            except redis_errors.AuthenticationError as error:
                raise NotLetIn(str(error)) from error

        return await super().call_with_retry(once, fail)


def refusal_of(error: Exception) -> str:
    """Return in a sentence why Redis refuses whoever asks with these settings; empty when it may be otherwise soon."""
    said = str(error)
    if isinstance(error, redis_errors.NoPermissionError) or said.startswith("NOPERM"):
        return "Redis does not grant this user a command that is needed: see the README's ACL."
    if isinstance(error, (NotLetIn, redis_errors.AuthenticationError)) or said.startswith(_NOT_GRANTED):
        return "Redis refuses the user name or the password."
    if any(text in said for text in _NO_DATABASE):
        return "Redis has no database of that number."
    if _NO_CLUSTER in said:
        return "Redis is no cluster, as its address says."
    return ""


def code_of(error: Exception) -> str:
    """Return the code with which Redis began its answer, such as MISCONF; empty where redis-py has taken it off."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def cause_of(error: Exception) -> str:
    """Return what may pass, in a few words, nothing of the address among them."""
    if _CERTIFICATE in str(error):
        return "its certificate is not trusted: ssl_ca_certs"
    if isinstance(error, MasterNotFoundError):
        return "no sentinel tells of a master of that name"
    if isinstance(error, redis_errors.ResponseError) and (code := code_of(error)):
        return code
    return type(error).__name__
