"""Where the plain design (plain.py) keeps what it knows of a call."""


def snapshot_key(sid: str) -> str:
    """Return where the last answer about a call is kept."""
    return f"plain:snapshot:{sid}"


def subscribers_key(sid: str) -> str:
    """Return where the callback URLs of a call's subscribers are kept, as a JSON array."""
    return f"plain:subscribers:{sid}"
