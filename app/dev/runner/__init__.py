"""Everything on this machine with one command: what `ringback dev`, and so `make run`, does.

How it works. The runner keeps the terminal, the embedded Redis and the listener in its own process; the
simulated upstream, the API and the two workers are children, each in a session of its own, so that Ctrl-C
reaches the runner alone. It waits until all are ready, makes a tenant over REST or takes the one of the last
run, triggers calls and subscribes to them as anybody would, and shows what its listener receives. At the end
it stops the API and the workers first, then the simulator, then Redis. A child that ends by itself ends it all.

- `run.py`        one run from start to end
- `home.py`       the folder that outlives a run: keys, tenant, Redis' data, logs
- `surroundings.py`  addresses, and the settings of the children
- `children.py`   the processes
- `demonstration.py`  what is shown once all are ready
- `rest.py`       the API and the simulator, as a customer speaks to them
- `calls.py`      which calls are placed, and when
- `board.py`      what is known of each call, from the deliveries alone
- `screen.py`     showing it: a table, or plain lines
- `welcome.py`    what is said once all are ready
- `listening.py`  the listener's server
"""

from app.dev.runner.errors import DevError
from app.dev.runner.run import run_dev

__all__ = ["DevError", "run_dev"]
