"""Connections to other machines that anybody could read or change are named by `connector check`."""

from __future__ import annotations

import pytest

from connector.operations.encryption import unprotected
from tests.cli.shop import Shop


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("postgresql+psycopg://u:p@db.example.com/erp", None),
        ("postgresql+pg8000://u:p@db.example.com/erp", "sslmode=verify-full"),
        ("postgresql://u:p@db.example.com/erp?sslmode=disable", "sslmode=verify-full"),
        ("postgresql+psycopg://u:p@db.example.com/erp?sslmode=require", "sslmode=verify-full"),
        ("postgresql+psycopg://u:p@db.example.com/erp?sslmode=verify-full", None),
        ("postgresql+psycopg://u:p@127.0.0.1/erp", None),
        ("postgresql+psycopg://u:p@[::1]/erp", None),
        ("postgresql+psycopg:///erp?host=/run/postgresql", None),
        ("mariadb+pymysql://u:p@10.0.0.7/erp", None),
        ("mysql://u:p@10.0.0.7/erp", None),
        ("mysql+mysqldb://u:p@10.0.0.7/erp", "ssl_ca"),
        ("mariadb+pymysql://u:p@10.0.0.7/erp?ssl_disabled=true", "ssl_ca"),
        ("mariadb+pymysql://u:p@10.0.0.7/erp?ssl_ca=/ca.pem", None),
        ("mariadb+pymysql://u:p@10.0.0.7/erp?ssl_check_hostname=true", None),
        ("mariadb+pymysql://u:p@10.0.0.7/erp?ssl_check_hostname=no", "ssl_check_hostname"),
        ("redis://:p@cache.example.com/0", "rediss://"),
        ("rediss://:p@cache.example.com/0", None),
        ("rediss://:p@cache.example.com/0?ssl_cert_reqs=required&ssl_check_hostname=true", None),
        ("rediss://:p@cache.example.com/0?ssl_cert_reqs=CERT_REQUIRED", None),
        ("rediss://:p@cache.example.com/0?ssl_cert_reqs=none", "ssl_cert_reqs"),
        ("rediss://:p@cache.example.com/0?ssl_check_hostname=False", "ssl_check_hostname"),
        ("rediss://:p@127.0.0.1/0?ssl_cert_reqs=none", None),
        ("amqp://u:p@mq.example.com//", "amqps://"),
        ("amqps://u:p@mq.example.com//", None),
        ("sqlite:///erp.db", None),
        ("memory://", None),
    ],
)
def test_what_makes_a_connection_safe(url: str, cure: str | None) -> None:
    told = unprotected(url)
    assert told is None if cure is None else cure in (told or "")


def test_what_the_environment_tells_libpq_makes_its_connections_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert unprotected("postgresql+psycopg://u:p@db.example.com/erp") is None
    assert unprotected("postgresql+pg8000://u:p@db.example.com/erp")
    monkeypatch.setenv("PGSSLMODE", "require")
    assert unprotected("postgresql+psycopg://u:p@db.example.com/erp")


def test_the_check_up_warns_without_a_password(shop: Shop) -> None:
    config = shop.changed(extra='\n[broker]\nurl = "redis://:hunter2-and-more@broker.invalid:1/0"\n')
    done = shop.run("check", "--json", config=config)
    [row] = [row for row in done.json["checks"] if row["name"].endswith("encryption")]
    assert (row["name"], row["status"]) == ("broker: encryption", "warning")
    assert "hunter2" not in done.out + done.err
