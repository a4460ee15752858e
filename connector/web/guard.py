"""What every answer over HTTP carries, and which requests are not even looked at."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.web.api.problems import problem

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LARGEST: Final = 1_000_000
"""Bytes that the body of a request to the console or the API may have; it is held in memory."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
"""No address of ours has them; one with a line break would be taken for a page instead of the API."""

_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_FROM_ELSEWHERE: Final = ("/webhooks/", "/api/")
"""Here other machines write: they are known by signature or token, never by a cookie."""


class Guard:
    """Refuses forms that come from another site, and forbids browsers whatever our pages do not need."""

    def __init__(self, app: ASGIApp, *, strict_transport: bool) -> None:
        """Stand before an application; `strict_transport` where people reach it by https alone."""
        self._app = app
        self._headers = dict(_HEADERS)
        if strict_transport:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = _refusal(scope)
        if refusal is not None:
            await problem(*refusal)(scope, receive, send_with_headers)
            return
        if _comes_from_another_site(scope):
            await PlainTextResponse("This form comes from another site.", 403)(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def _refusal(scope: Scope) -> tuple[int, str] | None:
    """Why a request is not even looked at, whoever sent it: nobody has shown a token or a session yet."""
    if _CONTROL.search(scope["path"]):
        return 400, "The address has control characters."
    if scope["path"].startswith("/webhooks/"):
        return None  # it has limits of its own
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return 411, "Say how long the body is (Content-Length)."
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length[:20]) > LARGEST:
        return 413, f"The body is larger than {LARGEST} bytes."
    return None


def _comes_from_another_site(scope: Scope) -> bool:
    """Whether a browser says so: by Sec-Fetch-Site, or by an Origin that is not ours."""
    if scope["method"] in _SAFE or scope["path"].startswith(_FROM_ELSEWHERE):
        return False
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")
