"""Which calls are placed, and when."""

from app.dev.runner.rest import Life

# One of each kind of life, in real seconds. All are over within a minute, detection included.
FIRST_LIVES: tuple[Life, ...] = (
    # Over before the second poll: every step is told all the same.
    ((0, "CREATED"), (0.2, "queued"), (0.5, "ringing"), (0.9, "in-progress"), (1.4, "completed")),
    ((0, "CREATED"), (0.3, "queued"), (1.5, "ringing"), (5.5, "in-progress"), (21, "completed")),
    ((0, "CREATED"), (0.5, "queued"), (2.5, "ringing"), (20, "no-answer")),
    ((0, "CREATED"), (0.4, "queued"), (6, "ringing"), (10, "busy")),
    ((0, "CREATED"), (0.6, "queued"), (3, "ringing"), (9, "in-progress"), (38, "completed")),
    ((0, "CREATED"), (0.4, "queued"), (12, "cancelled")),
)
# Enough to see that it is alive, too little to disturb.
NEXT_CALL_SECONDS = 20.0
