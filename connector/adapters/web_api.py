"""Calls to an ERP's own API over HTTP: time-outs, verified TLS, no redirects, and no key in any message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector import __version__
from connector.domain.errors import (
    ConnectorError,
    SourceNotPermittedError,
    SourceUnavailableError,
    UsageError,
)
from connector.per_thread import PerThread
from connector.tls import trusted

if TYPE_CHECKING:
    import httpx

_TOLD = 300
"""Letters of an ERP's own words that a message repeats."""
_NOBODY_THERE = frozenset({429, 502, 503, 504})
"""What is answered for an ERP that cannot take any call now, whatever it is about."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call brought: the status, and the body where it was JSON."""

    status: int
    body: Any


class WebApi:
    """One ERP's API. Used from several threads, each with a client of its own."""

    def __init__(self, source: str, url: str, *, key: str, timeout: float, headers: Mapping[str, str]) -> None:
        """Prepare; nothing is opened.

        Args:
            source: whose API it is.
            url: its address, to which the paths of calls are added.
            key: cut out of every message.
            timeout: longest single call, in seconds.
            headers: of each call.
        """
        self.source = source
        self._url = url.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._headers = {"User-Agent": f"b2brouter-connector/{__version__}", **headers}
        self._clients: PerThread[httpx.Client] = PerThread("erp")

    @property
    def place(self) -> str:
        """The address, for messages."""
        return self._url

    def call(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to one call, whatever its status; see `refusal` for those that are none of ours.

        Args:
            method: of HTTP.
            path: behind the address.
            body: sent as JSON; None sends nothing.
            headers: of this call, besides those of each.

        Raises:
            SourceUnavailableError: no answer; whether the call had an effect is not known. `down` where nobody
                could be connected to, so that it had none.
            UsageError: the address is none.
        """
        import httpx  # slow to import

        try:
            response = self._client().request(method, f"{self._url}/{path}", json=body, headers=headers)
        except httpx.InvalidURL as error:
            raise UsageError(
                f"The api_url of source {self.source} is no address: {self.told(str(error))}."
            ) from error
        except httpx.HTTPError as error:
            why = self.told(str(error)) or type(error).__name__
            raise SourceUnavailableError(
                f"The API of source {self.source} at {self.place} gives no answer: {why}.",
                action="Check that it runs, api_url, and the certificate of its host.",
                down=isinstance(error, httpx.ConnectError | httpx.ConnectTimeout),
            ) from error
        try:
            return Answer(response.status_code, response.json())
        except (json.JSONDecodeError, UnicodeDecodeError):
            return Answer(response.status_code, None)

    def refusal(self, answer: Answer, said: str = "") -> ConnectorError:
        """Return the error for an answer that is no result and that the ERP's adapter has no word of its own for."""
        what = f"The API of source {self.source} at {self.place} answers {answer.status}"
        if said:
            what = f"{what}: {self.told(said)}"
        if answer.status in {401, 403}:
            return SourceNotPermittedError(f"{what}.", action="Check api_key, and the rights of its user in the ERP.")
        if answer.status in {404, 405} or 300 <= answer.status < 400:
            return UsageError(f"{what}.", action="Check that api_url leads to the ERP's API, without a redirect.")
        return SourceUnavailableError(
            f"{what}.", action="Look into the log of the ERP.", down=answer.status in _NOBODY_THERE
        )

    def told(self, said: str) -> str:
        """Return words of somebody else's on one line, shortened, without our key."""
        line = " ".join(said.split()).rstrip(".")[:_TOLD]
        return line.replace(self._key, "***") if self._key else line

    def close(self) -> None:
        """Give back connections."""
        self._clients.close()

    def _client(self) -> httpx.Client:
        return self._clients.mine(self._open)

    def _open(self) -> httpx.Client:
        import httpx

        return httpx.Client(verify=trusted(), headers=self._headers, timeout=self._timeout, follow_redirects=False)
