"""Brokers are believed only with a certificate that is theirs, from an authority that is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from config.sections.broker import BrokerSettings
from connector.domain.errors import OutsideError
from tests.support import tls
from workers.app import make_app
from workers.broker import reach


@dataclass
class Behind:
    """A broker behind TLS, whose certificate is for `localhost` and signed by itself."""

    url: str
    certificate: Path

    def at(self, host: str, *, trusting: bool) -> BrokerSettings:
        given = make_url(self.url).set(host=host)
        if trusting:
            given = given.update_query_dict({"ssl_ca_certs": str(self.certificate)})
        return BrokerSettings(url=given.render_as_string(hide_password=False))


@pytest.fixture(params=["redis", pytest.param("rabbitmq", marks=pytest.mark.slow)])
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Behind]:
    certificate = tls.certificate_for("DNS:localhost", tmp_path)
    plain = make_url(request.getfixturevalue(f"{request.param}_url"))
    with tls.before(plain.host or "127.0.0.1", plain.port or 5672, certificate) as port:
        scheme = {"redis": "rediss", "rabbitmq": "amqps"}[request.param]
        url = plain.set(drivername=scheme, host="localhost", port=port)
        yield Behind(url.render_as_string(hide_password=False), certificate)


def test_a_certificate_of_a_trusted_authority_for_this_host_is_believed_and_no_other(behind: Behind) -> None:
    reach(make_app(behind.at("localhost", trusting=True)))
    for host, trusting in (("localhost", False), ("127.0.0.1", True)):
        with pytest.raises(OutsideError):
            reach(make_app(behind.at(host, trusting=trusting)))
