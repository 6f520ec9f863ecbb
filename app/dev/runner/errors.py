"""What keeps `ringback dev` from running.

DevError
├── HomeInUse         another run uses the same folder
├── MissingUpstream   the real upstream is wanted, and its credentials are not there
├── ChildEnded        a process ended by itself; the message carries its last lines
├── NotReady          a process did not become ready in time
└── Refused           the API or the simulator answered with something else than was needed
"""


class DevError(Exception):
    """The message is for the user, as it is."""


class HomeInUse(DevError):
    """Another run uses the same folder."""


class MissingUpstream(DevError):
    """The real upstream is wanted, and its credentials are not there."""


class ChildEnded(DevError):
    """A process ended by itself."""


class NotReady(DevError):
    """A process did not become ready in time."""


class Refused(DevError):
    """The API or the simulator answered with something else than was needed."""
