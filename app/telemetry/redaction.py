"""What no line of the log may show is taken out of the finished line, tracebacks and other people's messages included.

That is the settings' own secrets, wherever they stand; what has the form of an API key, a signing secret or a bearer
token; and of an address whatever follows the host, and the user before it: a callback URL's path or query is as
good as a password to some receivers. A line that holds none of it costs a few searches for a short text.
"""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "***"
# A shorter text is no secret worth the name, and would be found in half of all words.
_LEAST_LENGTH = 6
_KEY = re.compile(r"(rbk_|whsec_)[A-Za-z0-9_+/=-]+")
_TOKEN = re.compile(r"(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
# Begins with a fixed text, which is found quickly: a replacement that replaces nothing costs several times as much.
_MORE_THAN_A_HOST = re.compile(r"://[^\s\"'\\<>)]*[@/?#]")
_USER = re.compile(r"(://)[^\s/?#\"'@\\]*@")
# Of our own addresses (redis, say) the path tells nothing. A documentation's address is somebody's whom we know.
_PATH = re.compile(r"(https?://(?!docs\.|errors\.pydantic\.dev)[^\s/?#\"'\\<>)]+[/?#])[^\s\"'\\<>)]+")


class Redaction:
    """Takes secrets out of lines."""

    def __init__(self, secrets: Iterable[str]) -> None:
        told = {one for secret in secrets for one in (secret, quote(secret, safe="")) if len(secret) >= _LEAST_LENGTH}
        # The longest first: one may be part of another.
        self._texts = sorted(told, key=len, reverse=True)
        self._escaped = sorted({json.dumps(one)[1:-1] for one in told}, key=len, reverse=True)

    def of_json(self, line: str) -> str:
        """Redact a JSON document, which stays one."""
        return _without_forms(_without(self._escaped, line))

    def of_text(self, line: str) -> str:
        return _without_forms(_without(self._texts, line))


def _without(texts: Iterable[str], line: str) -> str:
    for text in texts:
        if text in line:
            line = line.replace(text, HIDDEN)
    return line


def _without_forms(line: str) -> str:
    if "rbk_" in line or "whsec_" in line:
        line = _KEY.sub(rf"\1{HIDDEN}", line)
    if "earer" in line or "asic" in line or "EARER" in line or "ASIC" in line:
        line = _TOKEN.sub(rf"\1{HIDDEN}", line)
    if _MORE_THAN_A_HOST.search(line):
        line = _PATH.sub(rf"\1{HIDDEN}", _USER.sub(rf"\1{HIDDEN}@", line))
    return line
