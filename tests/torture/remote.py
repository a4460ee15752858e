"""The simulator from outside: its control interface, spoken over plain HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any


class Remote:
    """One running simulator."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._read = 0
        self._writes = 0

    def call(self, method: str, path: str, body: object = None, *, seconds: float = 5.0) -> Any:
        """Make a control request.

        Raises:
            OSError: it does not answer.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/_simulator{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.loads(answer.read(), parse_float=Decimal)

    def answers(self) -> bool:
        try:
            self.call("GET", "/faults", seconds=1.0)
        except (OSError, ValueError):
            return False
        return True

    def writes_seen(self) -> int:
        """How many requests with an effect have arrived, as far as it has answered."""
        try:
            entries = self.call("GET", f"/journal?after={self._read}&limit=1000", seconds=1.0)["entries"]
        except (OSError, ValueError):
            return self._writes
        self._read = max([self._read, *(entry["seq"] for entry in entries)])
        self._writes += sum(1 for entry in entries if entry["method"] in {"POST", "PUT", "DELETE"})
        return self._writes
