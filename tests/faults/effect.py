"""Whether a fault did anything at all: one that nobody could notice shows nothing."""


class NothingBroke(AssertionError):
    """What a fault keeps from happening would not have happened anyhow."""


def something(happened: object, what: str) -> None:
    """Demand that a fault did something; raises `NothingBroke`, and says what did not happen."""
    if not happened:
        raise NothingBroke(f"nothing broke: {what}")
