"""arq's face: queues, job names, serialiser, doorbells, and a client that outlives its Redis."""

from app.queue.doorbell import (
    DELIVER_DUE,
    DELIVER_QUEUE,
    POLL_DUE,
    POLL_QUEUE,
    Doorbell,
    deserialize_job,
    open_queue,
    serialize_job,
)
from app.queue.steady import SteadyQueue

__all__ = [
    "DELIVER_DUE",
    "DELIVER_QUEUE",
    "POLL_DUE",
    "POLL_QUEUE",
    "Doorbell",
    "SteadyQueue",
    "deserialize_job",
    "open_queue",
    "serialize_job",
]
