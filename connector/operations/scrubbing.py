"""Texts for people outside: without secrets, and without what tells who somebody is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from config import logging as log

_FORMS: Final = (
    (re.compile(r"(?<=://)[^\s/@]*@"), "…@"),  # user and password of a URL
    (re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b"), "[account]"),
    (re.compile(r"\b[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]\b"), "[number]"),  # an Italian's tax code
    (re.compile(r"\b[A-Z]{0,3}[-.]?\d(?:[ .-]?\d){6,}[A-Z]{0,2}\b"), "[number]"),  # tax numbers, telephones, cards
    (re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|«[^»\n]*»|“[^”\n]*”"), "[text]"),  # names of customers stand in quotes
)
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?")

_HIDDEN: Final = re.compile(
    r"url|address|secret|pass|pwd|token|(?:^|[_-])key$|apikey|credential|connection|dsn|private|auth$|authorization|sas$"
    r"|heartbeat|bank|iban|user$|proxy|endpoint|issuer|client_id|^operators$|^viewers$",
    re.IGNORECASE,
)
_FILE: Final = re.compile(r"_file$")


def scrubbed(text: str) -> str:
    """Return a text without secrets, addresses, accounts, long numbers and whatever stands in quotes; dates stay."""
    clean = log.redaction.clean(text).replace("\0", "")
    instants = iter(_INSTANT.findall(clean))
    bare = _INSTANT.sub("\0", clean)
    for form, instead in _FORMS:
        bare = form.sub(instead, bare)
    return re.sub("\0", lambda _: next(instants), bare)


def scrubbed_settings(value: Any, name: str = "") -> Any:
    """Return what a configuration says; of secrets, addresses and users it only shows that they are set."""
    if isinstance(value, Mapping):
        return {str(key): scrubbed_settings(part, str(key)) for key, part in value.items()}
    if name.endswith("_command"):
        return _command(value)
    if isinstance(value, list | tuple):
        return [scrubbed_settings(part, name) for part in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = str(value)
    if _HIDDEN.search(name) and not _FILE.search(name):
        scheme = re.match(r"[a-z][a-z0-9+]*(?=:)", text)
        return f"{scheme[0]}:…" if scheme else "…"
    return scrubbed(text)


def _command(value: Any) -> Any:
    """Return which program a command is; its arguments may be what it proves itself with."""
    words = value.split() if isinstance(value, str) else list(value or ())
    return [scrubbed(str(words[0])), *["…"] * (len(words) > 1)] if words else value
