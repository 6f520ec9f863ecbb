"""What an operator is told of a Redis that cannot be used: what no waiting helps against, and what may pass."""

from redis import exceptions as redis_errors
from redis.asyncio.sentinel import MasterNotFoundError

_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
_NOT_GRANTED = ("WRONGPASS", "NOAUTH", "NOPERM")
_NO_DATABASE = ("DB index", "invalid DB")
_NO_CLUSTER = "Cluster mode is not enabled"


def refusal_of(error: Exception) -> str:
    """Return in a sentence why Redis refuses whoever asks with these settings; empty when it may be otherwise soon."""
    said = str(error)
    if isinstance(error, redis_errors.NoPermissionError) or said.startswith("NOPERM"):
        return "Redis does not grant this user a command that is needed: see the README's ACL."
    if isinstance(error, redis_errors.AuthenticationError) or said.startswith(_NOT_GRANTED):
        return "Redis refuses the user name or the password."
    if any(text in said for text in _NO_DATABASE):
        return "Redis has no database of that number."
    if _NO_CLUSTER in said:
        return "Redis is no cluster, as its address says."
    return ""


def cause_of(error: Exception) -> str:
    """Return what may pass, in a few words, nothing of the address among them."""
    if _CERTIFICATE in str(error):
        return "its certificate is not trusted: ssl_ca_certs"
    if isinstance(error, MasterNotFoundError):
        return "no sentinel tells of a master of that name"
    return type(error).__name__
