"""A local stand-in for the B2Brouter API: stateful, exact in its sums, and faulty on request.

It shares no code with the connector: what both hold for true was written down twice.
"""

from connector.simulator.audit import audit
from connector.simulator.clock import Clock, ManualClock, SystemClock
from connector.simulator.faults import BadFaultError, Fault, FaultKind, Faults
from connector.simulator.seeds import BadSeedError, plant
from connector.simulator.server import SimulatorServer
from connector.simulator.states import notice
from connector.simulator.switches import Switches, UnknownSwitchError
from connector.simulator.world import World

__all__ = [
    "BadFaultError",
    "BadSeedError",
    "Clock",
    "Fault",
    "FaultKind",
    "Faults",
    "ManualClock",
    "SimulatorServer",
    "Switches",
    "SystemClock",
    "UnknownSwitchError",
    "World",
    "audit",
    "notice",
    "plant",
]
