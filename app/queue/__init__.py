"""arq's face: queues, job names, serialiser, doorbells, and a client that outlives its Redis."""

from app.queue.doorbell import (
    DELIVER_DUE,
    DELIVER_QUEUE,
    POLL_DUE,
    POLL_QUEUE,
    Doorbell,
    deserialize_job,
    open_queue,
    refusal_of_queue,
    serialize_job,
)
from app.queue.news import NewsBell, NewsFeed, NewsUnavailable
from app.queue.steady import SteadyQueue
from app.queue.vital_signs import QueueSigns, QueueUnavailable, QueueVitalSigns

__all__ = [
    "DELIVER_DUE",
    "DELIVER_QUEUE",
    "POLL_DUE",
    "POLL_QUEUE",
    "Doorbell",
    "NewsBell",
    "NewsFeed",
    "NewsUnavailable",
    "QueueSigns",
    "QueueUnavailable",
    "QueueVitalSigns",
    "SteadyQueue",
    "deserialize_job",
    "open_queue",
    "refusal_of_queue",
    "serialize_job",
]
