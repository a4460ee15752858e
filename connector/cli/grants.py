"""`connector check --grants`: the least that our user must be allowed in each ERP, as statements to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from connector.cli.session import Session
from connector.domain.errors import ConnectorError
from connector.ports import NamesGrants

_USER: Final = "connector"
_UNSAID: Final = "-- This adapter does not say what it needs; see its documentation."


def show_grants(session: Session, user: str | None, sources: Sequence[str]) -> None:
    """Print the statements of each of these sources.

    Raises:
        ConnectorError: what became of the first source that could not be looked at, when all others are printed.
    """
    errors: list[ConnectorError] = []
    for source in sources:
        name = user or _user_of(session, source) or _USER
        try:
            lines = _grants(session, source, name)
        except ConnectorError as error:
            errors.append(error)
            continue
        if session.json:
            session.output.record({"source": source, "user": name, "grants": lines})
            continue
        for line in [f"-- Source {source}: what {name} must be allowed, and nothing else", *lines]:
            session.output.line(line)
    if errors:
        raise errors[0]


def _grants(session: Session, source: str, user: str) -> Sequence[str]:
    adapter = session.services.adapter(source)
    return [*adapter.grants(user)] if isinstance(adapter, NamesGrants) else [_UNSAID]


def _user_of(session: Session, source: str) -> str | None:
    url = session.settings.sources[source].address()
    try:
        return make_url(url).username if url else None
    except (ArgumentError, ValueError):
        return None
