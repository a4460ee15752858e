"""A running simulator whose clock stands still, fresh for each test."""

from collections.abc import Iterator

import pytest

from connector.simulator import ManualClock, SimulatorServer, World
from tests.simulator.client import Api, connect


@pytest.fixture(scope="session")
def running() -> Iterator[SimulatorServer]:
    with SimulatorServer(clock=ManualClock(), seed=1) as server:
        yield server


@pytest.fixture
def simulator(running: SimulatorServer) -> SimulatorServer:
    running.world.clock = ManualClock()
    running.reset()
    return running


@pytest.fixture
def world(simulator: SimulatorServer) -> World:
    return simulator.world


@pytest.fixture
def api(simulator: SimulatorServer) -> Iterator[Api]:
    with connect(simulator.base_url) as http:
        yield Api(http)
