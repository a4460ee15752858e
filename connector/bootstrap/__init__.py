"""Settings to objects; nothing else wires anything. `Services` is the one entry point."""

from connector.bootstrap.remotes import lease_seconds
from connector.bootstrap.services import Services

__all__ = ["Services", "lease_seconds"]
