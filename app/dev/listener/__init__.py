"""A receiver for development: takes deliveries or reads streams, verifies, shows how late and in which order they come.

- `server.py`     the application, and how it judges
- `behaviour.py`  the trouble that it can play
- `serving.py`    its server, which can break connections off
- `received.py`   what is known of one delivery
- `order.py`      what is to be noticed about a delivery after those before it
- `lines.py`      a delivery as a line for a terminal, or as JSON
- `api.py`        the questions it asks of the API
- `sse.py`        Server-Sent Events, read
- `streaming.py`  following streams
- `run.py`        the foreground: until Ctrl-C, or until all calls have ended
"""

from app.dev.listener.behaviour import ListenerBehaviour
from app.dev.listener.lines import describe
from app.dev.listener.received import NoSecret, Received, Rejected, Streamed, Verified
from app.dev.listener.run import ListenError, Listening, run_listener
from app.dev.listener.server import Secrets, create_listener

__all__ = [
    "ListenError",
    "ListenerBehaviour",
    "Listening",
    "NoSecret",
    "Received",
    "Rejected",
    "Secrets",
    "Streamed",
    "Verified",
    "create_listener",
    "describe",
    "run_listener",
]
