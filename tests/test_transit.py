"""Databases on other machines are believed only with a certificate of theirs, unless their URL says otherwise."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy import URL, make_url, text

from connector.adapters.database import Database as ErpDatabase
from connector.domain.errors import LedgerError, SourceUnavailableError, UsageError
from connector.ledger.database import Database as LedgerDatabase
from connector.transit import cure, is_local, verified
from tests.support import tls
from tests.support.ports import own_port
from tests.support.services import rendered

ELSEWHERE = "0.0.0.0"  # leads to this machine, and is none of the addresses that say so
ANSWER_SECONDS = 30


@dataclass
class Server:
    """A database with a certificate for `ELSEWHERE`, signed by itself."""

    url: str
    certificate: Path


def elsewhere(url: str, port: int | None = None, **said: str) -> str:
    """The URL as of another machine's."""
    given = make_url(url)
    if given.host is None:
        pytest.skip("the server is reached by its socket alone")
    return rendered(given.set(host=ELSEWHERE, port=port or given.port).update_query_dict(said))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate; its key is beside it, in key.pem."""
    return tls.certificate_for(f"IP:{ELSEWHERE}", tmp_path)


@pytest.fixture
def postgresql(postgres_url: str, certificate: Path) -> Iterator[Server]:
    """The genuine server behind TLS as PostgreSQL begins it: asked for in plain, granted by one letter."""

    def grant(caller: socket.socket) -> None:
        caller.recv(8)
        caller.sendall(b"S")

    genuine = make_url(postgres_url)
    with tls.before(genuine.host or "127.0.0.1", genuine.port or 5432, certificate, greet=grant) as port:
        yield Server(elsewhere(postgres_url, port), certificate)


@pytest.fixture
def mariadb(tmp_path: Path, certificate: Path) -> Iterator[Server]:
    """A genuine server of our own, with TLS."""
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        pytest.skip("mariadbd is not installed here")
    data, end = tmp_path / "data", tmp_path / "socket"
    port = own_port()
    common = ["--no-defaults", f"--datadir={data}"]
    normal = "--auth-root-authentication-method=normal"
    subprocess.run(["mariadb-install-db", *common, normal], check=True, capture_output=True, timeout=60)
    key = certificate.with_name("key.pem")
    told = [f"--port={port}", f"--socket={end}", f"--ssl-cert={certificate}", f"--ssl-key={key}", "--user=root"]
    running = subprocess.Popen(
        ["mariadbd", *common, *told, "--bind-address=127.0.0.1", "--skip-name-resolve"], stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert running.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={end}", "--user=root",
             "--execute=CREATE USER erp@'%' IDENTIFIED BY 'secret'"],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
        yield Server(f"mysql+pymysql://erp:secret@{ELSEWHERE}:{port}/information_schema", certificate)
    finally:
        running.terminate()
        running.wait(timeout=ANSWER_SECONDS)


def asked_as_erp(url: str) -> object:
    database = ErpDatabase("erp", url)
    try:
        with database.reading() as connection:
            return connection.execute(text("SELECT 1")).scalar_one()
    finally:
        database.close()


def asked_as_ledger(url: str) -> object:
    database = LedgerDatabase(url)
    try:
        with database.read() as connection:
            return connection.execute(text("SELECT 1")).scalar_one()
    finally:
        database.close()


def test_postgresql_without_tls_is_refused_until_its_url_says_that_it_may(postgres_url: str) -> None:
    with pytest.raises(SourceUnavailableError, match="SSL") as of_erp:
        asked_as_erp(elsewhere(postgres_url))
    with pytest.raises(LedgerError, match="SSL") as of_ledger:
        asked_as_ledger(elsewhere(postgres_url))
    assert "?sslmode=disable" in of_erp.value.action
    assert "?sslrootcert=FILE" in of_ledger.value.action

    open_to_all = elsewhere(postgres_url, sslmode="disable")
    assert (asked_as_erp(open_to_all), asked_as_ledger(open_to_all)) == (1, 1)
    assert (asked_as_erp(postgres_url), asked_as_ledger(postgres_url)) == (1, 1)


def test_postgresql_is_believed_by_its_authority(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(SourceUnavailableError, match="certificate verify failed") as refused:
        asked_as_erp(postgresql.url)
    assert "?sslrootcert=FILE" in refused.value.action
    assert asked_as_erp(f"{postgresql.url}?sslrootcert={postgresql.certificate}") == 1
    assert asked_as_erp(f"{postgresql.url}?sslmode=require") == 1

    monkeypatch.setenv("SSL_CERT_FILE", str(postgresql.certificate))  # as if this machine trusted it
    assert asked_as_ledger(postgresql.url) == 1
    assert asked_as_ledger(f"{postgresql.url}?sslmode=verify-full&sslrootcert=system") == 1


def test_a_certificate_for_another_name_is_told_as_that(postgresql: Server) -> None:
    by_name = rendered(make_url(postgresql.url).update_query_dict({"host": "db.invalid", "hostaddr": ELSEWHERE}))
    with pytest.raises(SourceUnavailableError, match="does not match host name") as refused:
        asked_as_erp(f"{by_name}&sslrootcert={postgresql.certificate}")
    assert "the name that the certificate has" in refused.value.action
    assert "sslrootcert" not in refused.value.action


@pytest.mark.parametrize(
    "said",
    [
        "SSL connection has been closed unexpectedly",
        "SSL SYSCALL error: EOF detected",
        'no pg_hba.conf entry for host "10.0.0.7", user "erp", database "erp", SSL encryption',
        'connection to server at "db-ssl.example.com" (10.0.0.5), port 5432 failed: Connection refused',
        'connection to server at "tls.example.com" (10.0.0.5), port 5432 failed: password authentication failed',
    ],
)
def test_what_only_mentions_tls_is_not_cured_by_going_without(said: str) -> None:
    assert cure(make_url("postgresql+psycopg://u@db-ssl.example.com/erp"), said) is None


def test_an_authority_that_is_missing_is_cured_also_where_the_url_asks_for_it() -> None:
    url = "postgresql+psycopg://u@db.example.com/erp?sslmode="
    said = 'root certificate file "/home/connector/.postgresql/root.crt" does not exist'
    assert "?sslrootcert=FILE" in (cure(make_url(url + "verify-full"), said) or "")
    assert cure(make_url(url + "require"), said) is None


@pytest.mark.parametrize("mismatch", ["Hostname mismatch", "IP address mismatch"])
def test_pymysqls_words_for_another_name_are_known(mismatch: str) -> None:
    said = f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {mismatch}, certificate is not valid for 'a'"
    told = cure(make_url("mysql+pymysql://u@db/erp"), said)
    assert told is not None
    assert "the name that the certificate has" in told


def test_mariadb_without_tls_is_refused_until_its_url_says_that_it_may(mariadb_url: str) -> None:
    with pytest.raises(SourceUnavailableError, match="SSL") as refused:
        asked_as_erp(elsewhere(mariadb_url))
    assert "?ssl_disabled=true" in refused.value.action
    assert asked_as_erp(elsewhere(mariadb_url, ssl_disabled="true")) == 1
    assert asked_as_erp(mariadb_url) == 1


def test_mariadb_is_believed_by_its_authority(mariadb: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(SourceUnavailableError, match="CERTIFICATE_VERIFY_FAILED") as refused:
        asked_as_erp(mariadb.url)
    assert "?ssl_ca=FILE" in refused.value.action
    assert asked_as_erp(f"{mariadb.url}?ssl_ca={mariadb.certificate}") == 1
    with pytest.raises(SourceUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        asked_as_erp(
            f"{mariadb.url}?ssl_cert={mariadb.certificate}&ssl_key={mariadb.certificate.with_name('key.pem')}"
        )

    monkeypatch.setenv("SSL_CERT_FILE", str(mariadb.certificate))
    assert asked_as_erp(mariadb.url) == 1


def context_for(url: str) -> ssl.SSLContext:
    """What PyMySQL makes of a URL and of what it is told beside it."""
    given = make_url(url)
    _, said = given.get_dialect()().create_connect_args(given)
    connection: Any = pymysql.Connection(**{**said, **verified(given)}, defer_connect=True)
    assert isinstance(connection.ctx, ssl.SSLContext)
    return connection.ctx


@pytest.mark.parametrize(
    ("said", "sees_name"),
    [
        ("", True),
        ("ssl_ca={file}", True),
        ("ssl_capath={folder}", True),
        ("ssl_cert={file}&ssl_key={key}", True),
        ("ssl_ca={file}&ssl_cert={file}&ssl_key={key}&ssl_key_password=unused", True),
        ("ssl_cipher=ECDHE%2BAESGCM", True),
        ("ssl_check_hostname=true", True),
        ("ssl_check_hostname=false", False),
        ("ssl_disabled=false", True),
    ],
)
def test_what_a_url_says_of_pymysqls_tls_leaves_the_certificate_verified(
    certificate: Path, said: str, *, sees_name: bool
) -> None:
    told = said.format(file=certificate, folder=certificate.parent, key=certificate.with_name("key.pem"))
    context = context_for(f"mysql+pymysql://u@db.example.com/erp?{told}")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, sees_name)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("ssl=true", "ssl that is not known"),
        ("ssl_mode=VERIFY_IDENTITY", "ssl_mode that is not known"),
        ("ssl_verify_cert=true", "ssl_verify_cert that is not known"),
        ("ssl_verify_identity=true", "ssl_verify_identity that is not known"),
        ("ssl_ca=/a.pem&ssl_ca=/b.pem", "ssl_ca twice"),
        ("ssl_disabled=perhaps", "ssl_disabled"),
        ("ssl_ca=/nowhere/ca.pem", "No such file"),
        ("ssl_key=/nowhere/key.pem", "No such file"),
        ("ssl_cipher=none-of-this-name", "cipher"),
    ],
)
def test_what_cannot_be_done_for_pymysqls_tls_is_refused_with_a_sentence(said: str, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        asked_as_erp(f"mysql+pymysql://u@db.example.com/erp?{said}")


def test_a_key_that_wants_a_password_asks_nobody_for_it(certificate: Path) -> None:
    key = certificate.with_name("key.pem")
    sealed = ["openssl", "pkcs8", "-topk8", "-in", str(key), "-out", f"{key}.sealed", "-passout", "pass:opens-it"]
    subprocess.run(sealed, check=True, capture_output=True, timeout=30)
    url = f"mysql+pymysql://u@db.example.com/erp?ssl_cert={certificate}&ssl_key={key}.sealed"
    with pytest.raises(UsageError, match="ssl_cert, ssl_key"):
        context_for(url)
    assert context_for(f"{url}&ssl_key_password=opens-it").check_hostname


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u@localhost/erp",
        "postgresql+psycopg://u@127.0.0.1/erp",
        "postgresql+psycopg://u@127.8.8.8/erp",
        "postgresql+psycopg://u@[::1]/erp",
        "postgresql+psycopg:///erp?host=/run/postgresql",
        "postgresql+psycopg:///erp",
        "postgresql+psycopg://u@db/erp?host=localhost",
        "postgresql+psycopg:///erp?host=/run/postgresql,@pg,localhost,127.0.0.1",
        "postgresql+psycopg:///erp?host=localhost:5432&host=127.0.0.1:5433",
        "postgresql+psycopg://localhost/erp?hostaddr=127.0.0.1",
        "postgresql+psycopg://u@db/erp?sslmode=prefer",
        "mysql+pymysql://u@127.0.0.1/erp",
        "mysql+pymysql://u@127.0.0.1/erp?ssl_check_hostname=true",
        "mysql+pymysql://u@db/erp?ssl_disabled=true",
        "mysql+pymysql://u@db/erp?ssl_disabled=1",
        "mysql+mysqldb://u@db/erp",
        "mysql+mysqldb://u@db/erp?ssl_mode=VERIFY_IDENTITY",
        "sqlite:///erp.db",
    ],
)
def test_what_is_local_or_says_what_it_wants_is_left_alone(url: str) -> None:
    assert verified(make_url(url)) == {}


def test_what_the_environment_tells_libpq_counts_as_said(monkeypatch: pytest.MonkeyPatch) -> None:
    url = URL.create("postgresql+psycopg", host="db")
    monkeypatch.setenv("PGSSLROOTCERT", "/ca.pem")
    assert verified(url) == {"sslmode": "verify-full"}
    monkeypatch.setenv("PGSSLMODE", "require")
    assert verified(url) == {}
    monkeypatch.delenv("PGSSLMODE")
    monkeypatch.setenv("PGSSLROOTCERT", "system")
    assert verified(url).keys() == {"sslmode", "sslrootcert"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg:///erp?service=books",
        "postgresql+psycopg://localhost/erp?service=books",  # whose file may have another address
        "postgresql+psycopg:///erp?hostaddr=10.0.0.5",
        "postgresql+psycopg://localhost/erp?hostaddr=10.0.0.5",
        "postgresql+psycopg://db/erp?hostaddr=127.0.0.1",
        "postgresql+psycopg://localhost/erp?host=db.example.com",
        "postgresql+psycopg:///erp?host=/run/pg,db2",
        "postgresql+psycopg:///erp?host=localhost&host=db2",
        "postgresql+psycopg:///erp?host=localhost:5432&host=db2:5432",
        "mysql+pymysql://localhost/erp?host=db.example.com",
        "mysql+pymysql:///erp?read_default_file=/etc/erp.cnf",  # the same
        "mysql+pymysql:///erp?read_default_group=erp",
    ],
)
def test_what_may_lead_elsewhere_is_verified(url: str) -> None:
    assert not is_local(make_url(url))
    assert verified(make_url(url))


@pytest.mark.parametrize(
    ("variable", "value", "of_localhost"),
    [
        ("PGHOST", "db", True),
        ("PGHOST", "/run/pg,db", True),
        ("PGSERVICE", "books", True),
        ("PGHOSTADDR", "10.0.0.5", False),
    ],
)
def test_the_servers_of_libpqs_own_variables_are_verified(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, *, of_localhost: bool
) -> None:
    monkeypatch.setenv(variable, value)
    assert not is_local(make_url("postgresql+psycopg:///erp"))
    assert is_local(make_url("postgresql+psycopg://localhost/erp")) == of_localhost
    assert is_local(make_url("mysql+pymysql:///erp"))


@pytest.mark.parametrize("weak", ["disable", "prefer", "require", "verify-ca"])
def test_the_systems_authorities_with_a_weak_mode_are_refused_as_by_libpq(weak: str) -> None:
    with pytest.raises(SourceUnavailableError, match=f'weak sslmode "{weak}"'):
        asked_as_erp(f"postgresql+psycopg://u@{ELSEWHERE}:1/erp?sslmode={weak}&sslrootcert=system")
