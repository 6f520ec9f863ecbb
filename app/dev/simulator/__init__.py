"""The vendor's outbound calls, played on this machine: trigger a call, then ask for its status as it goes by.

`server.py` holds the application and says how to trigger calls and how to read the truth about them.
"""

from app.dev.simulator.life import TERMINAL_STATUSES, Life, Step, plan_life
from app.dev.simulator.server import create_simulator, run_simulator
from app.dev.simulator.settings import DEMO_ACCOUNT, Account, SimulatorSettings

__all__ = [
    "DEMO_ACCOUNT",
    "TERMINAL_STATUSES",
    "Account",
    "Life",
    "SimulatorSettings",
    "Step",
    "create_simulator",
    "plan_life",
    "run_simulator",
]
