"""Connections to databases on other machines: encrypted and verified, unless their URL says otherwise."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.engine import URL

from connector.domain.errors import UsageError

if TYPE_CHECKING:
    import ssl

_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where systems keep the certificates of all authorities."""

_PORT: Final = re.compile(r"^([^:/]*):\d*$")
"""A host with its port, as parameters may have it; neither an address of IPv6 nor a socket."""

_REFUSED: Final = re.compile(
    r"(?i)does not support SSL|SSL is required|certificate[ _]verify[ _]failed|root certificate file"
)
"""How libpq and PyMySQL say that a server has no TLS, or no certificate that they believe. What merely mentions TLS,
as a connection does that ended in the midst of its use, is not about that."""

_NAMED_OTHERWISE: Final = re.compile(
    r"(?i)does not match host name|host name from server certificate|certificate is not valid for"
)
"""How they say that the certificate is for another name."""

_OF_PYMYSQL: Final = (
    "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_key_password", "ssl_cipher", "ssl_check_hostname",
    "ssl_disabled",
)  # fmt: skip
"""What a URL may say of TLS to MariaDB and MySQL."""

_VERIFIED: Final = ("verify-full", "verify-ca")
"""Modes of libpq that believe no server without a certificate of an authority."""

_IN_A_FILE: Final = ("service", "read_default_file", "read_default_group")
"""Parameters for which libpq and PyMySQL take host, port and more from a file."""

_TRUE: Final = ("true", "1", "yes", "on")
_FALSE: Final = ("false", "0", "no", "off")


def verified(url: URL) -> dict[str, Any]:
    """Return what a driver is to be told so that it verifies the server; nothing where the URL says it, or is local.

    PostgreSQL by libpq, MariaDB and MySQL by PyMySQL: what other drivers do, their URL says.

    Raises:
        UsageError: the URL asks PyMySQL for what cannot be done, or names files that cannot be used.
    """
    kind, _, driver = url.drivername.partition("+")
    if is_local(url):
        return {}
    if _is_libpq(url):
        return _for_libpq(url.query)
    if kind in {"mysql", "mariadb"} and driver in {"", "pymysql"}:
        return _for_pymysql(url.query)
    return {}


def cure(url: URL, said: str) -> str | None:
    """Return what to do where a server does not pass, going by the words of the driver; None where it is not that."""
    is_otherwise = _NAMED_OTHERWISE.search(said)
    is_about_it = is_otherwise or _REFUSED.search(said)
    if not is_about_it or not (verified(url) or believed_by_libpq(url)):
        return None
    postgresql = url.get_backend_name() == "postgresql"
    authority, without = ("sslrootcert", "sslmode=disable") if postgresql else ("ssl_ca", "ssl_disabled=true")
    write = f"?{authority}=FILE with the authority that signed it"
    if is_otherwise:
        write = "the name that the certificate has, as its host"
    return (
        f"A server on another machine is verified by its certificate. Write into its url {write},"
        f" or ?{without} where nobody else is on the network."
    )


def is_local(url: URL) -> bool:
    """Whether a URL leads to this machine alone: through sockets, or to addresses that no other has.

    What its parameters and the variables of libpq say counts as it does for the drivers. Where a service of libpq,
    or an option file of MySQL, leads to is in a file of its own: it may be anywhere.
    """
    hosts, others = _listed(url.query.get("host") or url.host), _listed(url.query.get("hostaddr"))
    service = any(name in url.query for name in _IN_A_FILE)
    if url.get_backend_name() == "postgresql":
        service = service or (not hosts and bool(os.environ.get("PGSERVICE")))
        hosts = hosts or _listed(os.environ.get("PGHOST"))
        others = others or _listed(os.environ.get("PGHOSTADDR"))
    return not service and all(map(_is_here, [*hosts, *others]))


def _listed(hosts: str | Sequence[str] | None) -> Sequence[str]:
    """Return hosts one by one: in a parameter there may be several, between commas or each with its port."""
    given = [hosts] if isinstance(hosts, str) else hosts or []
    return [_PORT.sub(r"\1", host) for several in given for host in several.split(",")]


def _is_here(host: str) -> bool:
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def authorities() -> str | None:
    """Return the file with the authorities that this machine trusts, if it has one; `SSL_CERT_FILE` is heeded."""
    import ssl

    bundles = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((each for each in bundles if each and Path(each).is_file()), None)


def believed_by_libpq(url: URL) -> bool:
    """Whether libpq verifies the certificate of a server, by the URL, its own variables, or what it is told here."""
    return _is_libpq(url) and {"sslmode": _mode(url.query), **verified(url)}["sslmode"] in _VERIFIED


def _is_libpq(url: URL) -> bool:
    kind, _, driver = url.drivername.partition("+")
    return kind in {"postgresql", "postgres"} and driver in {"", "psycopg", "psycopg2"}


def _mode(given: Mapping[str, Any]) -> str | None:
    return given.get("sslmode") or os.environ.get("PGSSLMODE")


def _for_libpq(given: Mapping[str, Any]) -> dict[str, Any]:
    chosen = _mode(given)
    told = {} if chosen else {"sslmode": "verify-full"}
    is_full = not chosen or chosen == "verify-full"
    authority = given.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    # "system" means the folder that the driver's own OpenSSL was built with: that of psycopg's wheels has none.
    # With a mode that sees no name it stays, for libpq to refuse: whoever has a certificate at all would be believed.
    if (authority == "system" and is_full) or not (chosen or authority):
        told["sslrootcert"] = authorities() or "system"
    return told


def _for_pymysql(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a context of our own: of those that PyMySQL makes for parameters, most verify nothing, or no name."""
    said = {name: value for name, value in given.items() if name.startswith("ssl")}
    for name, value in said.items():
        if name not in _OF_PYMYSQL:
            raise _unusable(f"has a parameter {name} that is not known here")
        if not isinstance(value, str):
            raise _unusable(f"has {name} twice")
    if _is_true(said, "ssl_disabled", usually=False):
        return {}
    try:
        context = _context(said)
    except OSError as error:
        told = error.strerror or "they do not fit"
        raise _unusable(f"says of TLS what cannot be used, {', '.join(said)}: {told}") from error
    return {"ssl": context, "ssl_disabled": False}  # the text "false" is true to PyMySQL


def _context(said: Mapping[str, str]) -> ssl.SSLContext:
    import ssl

    own = said.get("ssl_ca"), said.get("ssl_capath")
    context = ssl.create_default_context(cafile=own[0] if any(own) else authorities(), capath=own[1])
    context.check_hostname = _is_true(said, "ssl_check_hostname", usually=True)
    if any(own):  # the authorities that MySQL makes for itself lack what newer Pythons would have
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    key = said.get("ssl_key")
    if certificate := said.get("ssl_cert", key):
        # Without a word of ours OpenSSL would ask for the key's password on the terminal.
        context.load_cert_chain(certificate, key, said.get("ssl_key_password", ""))
    if ciphers := said.get("ssl_cipher"):
        context.set_ciphers(ciphers)
    return context


def _is_true(said: Mapping[str, str], name: str, *, usually: bool) -> bool:
    word = said.get(name, str(usually)).lower()
    if word not in _TRUE + _FALSE:
        raise _unusable(f"says neither true nor false in {name}")
    return word in _TRUE


def _unusable(fault: str) -> UsageError:
    return UsageError(
        f"The url of a MariaDB or MySQL database {fault}.",
        action=f"Of TLS it may have {', '.join(_OF_PYMYSQL)}; certificate and name are verified without them.",
    )
