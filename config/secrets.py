"""Where secrets come from: the configuration, a file of their own, or a command; each of them plain or sealed.

A sealed secret (`sealed:…`) is opened with a key that stands apart from it. Every secret that is read here is struck
out of logs and messages from then on.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from config.logging import redaction
from connector.domain.errors import UsageError
from connector.domain.wording import unreadable

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

log = logging.getLogger(__name__)

SEALED: Final = "sealed:"

KEY: Final = "CONNECTOR_SEAL_KEY"
"""The variable with the keys that open what is sealed, the one that seals first. `…_FILE` names a file of them."""

CREDENTIAL: Final = "seal_key"
"""The same as a credential of systemd."""

_SECRET_OPTION: Final = re.compile(
    r"[_-]key$|apikey$|connection_string"
    r"|(?:^|[_-])(?:secret|password|passwd|pwd|passphrase|token|credentials?|auth|authorization|sas|dsn)$",
    re.IGNORECASE,
)

COMMAND_SECONDS: Final = 30.0
"""Longest time that a command may take to tell a secret."""

REMEMBERED_SECONDS: Final = 900.0
"""For so long what a command has told is remembered, in memory alone."""

_AGAIN_SECONDS: Final = 60.0
"""After this a command that failed is tried again; what it told before stays in force meanwhile."""


def reveal(
    name: str,
    value: SecretStr | None,
    file: Path | None,
    command: Sequence[str] | None,
    *,
    hide: Callable[[str], Iterable[str]] = lambda text: (text,),
) -> str:
    """Return a secret; "" where none is given.

    Args:
        name: of the setting; those of file and command end in `_file` and `_command`.
        value: what stands in the configuration or the environment, if it is neither in a file nor with a command.
        file: that holds it.
        command: that prints it, and its arguments; no shell is involved.
        hide: returns what of it nobody may see.

    Raises:
        UsageError: it cannot be read, or not be opened.
    """
    if command is not None:
        text = _told(f"{name}_command", command)
    elif file is not None:
        text = _written(f"{name}_file", file)
    else:
        text = value.get_secret_value() if value is not None else ""
    text = unsealed(name, text)
    redaction.register(hide(text))
    return text


def _written(name: str, file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise UsageError(f"{name} {file} cannot be read: it is not UTF-8 text.") from None
    except OSError as error:
        raise unreadable(name, file, error.strerror or str(error)) from None
    if not text:
        raise UsageError(f"{name} {file} is empty.")
    return text


# ---------------------------------------------------------------- told by a command


@dataclass(slots=True)
class _Told:
    """What a command has told, what was wrong the last time, and until when that counts on the steady clock."""

    text: str | None = None
    fault: str | None = None
    until: float = 0.0
    asking: threading.Lock = field(default_factory=threading.Lock)


_told_by: Final[dict[tuple[str, ...], _Told]] = {}


def forget_told() -> None:
    """Have every command asked again at the next use; where one fails then, what it told before stays in force."""
    for known in list(_told_by.values()):
        known.until = 0.0


def _told(name: str, command: Sequence[str]) -> str:
    known = _told_by.setdefault(tuple(command), _Told())
    with known.asking:
        if time.monotonic() >= known.until:
            _ask_again(known, name, command)
        if known.text is None:
            raise UsageError(
                f"{name}: {command[0]} {known.fault}.", action="Try that command as the connector's user."
            )
        return known.text


def _ask_again(known: _Told, name: str, command: Sequence[str]) -> None:
    """Ask a command; one that fails rests, or all who wait for it would wait in turn for as long as failing takes."""
    text, known.fault = _asked(command)
    if text is not None:
        known.text = text
    elif known.text is not None:
        log.warning("%s: %s %s. What it told before stays in force.", name, command[0], known.fault)
    known.until = time.monotonic() + (REMEMBERED_SECONDS if known.fault is None else _AGAIN_SECONDS)


def _asked(command: Sequence[str]) -> tuple[str | None, str | None]:
    """Run a command; return what it tells, or its fault. Its standard error may repeat the secret, so is not read."""
    try:
        answer = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        text = answer.stdout.decode("utf-8").strip()
    except subprocess.TimeoutExpired:
        return None, f"does not end within {COMMAND_SECONDS:g} seconds"
    except OSError as error:
        return None, f"cannot be run: {error.strerror}"
    except (UnicodeDecodeError, ValueError):
        return None, "tells no UTF-8 text"
    if answer.returncode:
        return None, f"ended with status {answer.returncode}"
    return (text, None) if text else (None, "tells nothing")


# ---------------------------------------------------------------- sealed


def new_key() -> str:
    """Return a new key for sealing."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode("ascii")


def sealed(text: str) -> str:
    """Return a secret sealed with the first key; one that is sealed already is opened and sealed anew.

    Raises:
        UsageError: there is no key, or it is none.
    """
    return SEALED + _keys().encrypt(unsealed("The text", text).encode()).decode("ascii")


def unsealed(name: str, text: str) -> str:
    """Return a secret as it is; only one that is sealed needs a key.

    Raises:
        UsageError: there is no key, or none of them opens it.
    """
    if not text.startswith(SEALED):
        return text
    from cryptography.fernet import InvalidToken  # slow to import

    try:
        return _keys().decrypt(text.removeprefix(SEALED)).decode()
    except (InvalidToken, UnicodeDecodeError):
        raise UsageError(
            f"{name} is sealed, and no key of {KEY} opens it.",
            action="Give the key that it was sealed with too, or seal the secret anew: connector secrets seal.",
        ) from None


def secret_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what options hide, an adapter's or a storage's, however deep: the texts under names that say so."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from secret_options(value)
        elif value and _SECRET_OPTION.search(name):
            yield str(value)


def options_unsealed(place: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return options, an adapter's for one, with those opened that are sealed.

    Raises:
        UsageError: one cannot be opened.
    """
    return {name: _option_unsealed(f"{place}.{name}", value) for name, value in options.items()}


def _option_unsealed(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return options_unsealed(name, value)
    if not isinstance(value, str) or not value.startswith(SEALED):
        return value
    text = unsealed(name, value)
    redaction.register([text])
    return text


def key_file() -> Path | None:
    """Return the file that holds the keys, where one is named and the environment does not hold them itself."""
    if os.environ.get(KEY):
        return None
    if named := os.environ.get(f"{KEY}_FILE"):
        return Path(named)
    given = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), CREDENTIAL)
    return given if given.is_file() else None


def _keys() -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    file = key_file()
    name = f"{KEY}_FILE" if file else KEY
    text = _written(name, file) if file else os.environ.get(KEY, "")
    words = text.replace(",", " ").split()
    if not words:
        raise UsageError(
            f"There is no key to seal or open secrets with: neither {KEY} nor {KEY}_FILE is set.",
            action="Make one with: connector secrets new-key.",
        )
    redaction.register(words)
    try:
        return MultiFernet([Fernet(word) for word in words])
    except ValueError:
        raise UsageError(f"{name} holds something that is no key of: connector secrets new-key.") from None
