"""The conformance suite for adapters: `from connector.adapters.testing import AdapterConformance`.

It is the one part of the product that needs pytest: `pip install "b2brouter-connector[testing]"`. See
`docs/adapters.md`.
"""

from connector.adapters.testing.conformance import AdapterConformance
from connector.adapters.testing.source import Expected, ThrowAwaySource
from connector.adapters.testing.sql import SqlSource

__all__ = ["AdapterConformance", "Expected", "SqlSource", "ThrowAwaySource"]
