"""What services ring when there is something to do at once."""

from typing import Protocol


class Bell(Protocol):
    """What makes a worker look at a partition soon."""

    def ring(self, partition: int) -> None: ...
