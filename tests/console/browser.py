"""As much of a browser as forms and cookies need: what a person without JavaScript has."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Self

import httpx


class _Form(HTMLParser):
    """The hidden fields of a page's forms, by the action of their form."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, dict[str, str]] = {}
        self._action: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._action = given.get("action", "")
            self.fields.setdefault(self._action, {})
        elif tag == "input" and self._action is not None and given.get("type") == "hidden":
            self.fields[self._action][given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._action = None


class Browser:
    """Keeps cookies, fills in forms, follows no redirect by itself."""

    def __init__(self, address: str, *, language: str = "en") -> None:
        self.client = httpx.Client(base_url=address, headers={"Accept-Language": language}, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def text(self, path: str) -> str:
        """Return a page that is there."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def hidden(self, path: str, action: str = "") -> dict[str, str]:
        """Return the hidden fields of the form with this action on a page."""
        parser = _Form()
        parser.feed(self.text(path))
        return parser.fields[action]

    def sign_in(self, name: str, password: str, **fields: str) -> httpx.Response:
        hidden = self.hidden("/sign-in", "/sign-in")
        return self.client.post("/sign-in", data={**hidden, "name": name, "password": password, **fields})

    def form_key(self) -> str:
        """What every form of this session carries."""
        return self.hidden("/password", "/password")["form_key"]

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form as a page of this session would."""
        return self.client.post(path, data={"form_key": fields.get("form_key") or self.form_key(), **fields})

    def decide(self, page: str, act: str, **fields: str) -> str:
        """Act on the invoice of a page as that page shows it; return the page that it leads to."""
        return self.done(f"{page}/{act}", **{**self.hidden(page), **fields})

    def begin(self, query: str, **fields: str) -> str:
        """Begin an act on many invoices as its preview shows it; return the page that it leads to."""
        return self.done("/bulks", **{**self.hidden(f"/bulks/new?{query}", "/bulks"), **fields})

    def done(self, path: str, **fields: str) -> str:
        """Send a form that is accepted; return the page that it leads to."""
        answer = self.send(path, **fields)
        assert answer.status_code == 303, answer.text
        return self.text(answer.headers["location"])
