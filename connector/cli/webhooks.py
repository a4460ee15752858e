"""`connector webhooks`: B2Brouter tells us of changes; setting that up, and trying it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import click

from connector.bootstrap import Services
from connector.cli.command import Group
from connector.cli.output import Column
from connector.cli.session import Session
from connector.domain.errors import OutsideError, StepError, UsageError
from connector.domain.notice import INVOICE_CHANGED, REPORT_CHANGED, TEST
from connector.domain.signature import HEADER, sign
from connector.operations.texts import instant, local

EVENTS: Final = (INVOICE_CHANGED, REPORT_CHANGED)

_SITE: Final = "B2Brouter, Developers, Webhooks"


@click.group("webhooks", cls=Group)
def webhooks() -> None:
    """Have B2Brouter tell of changes, and see whether it does."""


@webhooks.command("register")
@click.argument("account")
@click.option(
    "--url", required=True, metavar="URL", help="Where B2Brouter reaches [web], such as https://erp.example.com"
)
@click.pass_obj
def register(session: Session, account: str, url: str) -> None:
    """Subscribe the address of an account; the secret that signs is told this once.

    B2Brouter's interface can make a webhook but, as far as is known, not list or delete one: look for an older one
    at B2Brouter, Developers, Webhooks first, and delete it there.
    """
    address = _address(url, account)
    services = Services(session.settings, only_looking=True)  # there may be no ledger yet
    try:
        secret = services.remote(account).register_webhook(address, EVENTS)
    except StepError as error:
        raise OutsideError(
            f"B2Brouter did not make the webhook: {error.details.get('message') or error.reason}.",
            action=f"Make it by hand at {_SITE}: address {address}, events {' and '.join(EVENTS)}. If one with this "
            "address is there already, delete it first, for its secret is told only when it is made.",
        ) from None
    finally:
        services.close()
    setting = f"CONNECTOR_ACCOUNTS__{account.upper()}__WEBHOOK_SECRET"
    if session.json:
        session.output.record({"account": account, "url": address, "events": EVENTS, "signing_secret": secret})
        return
    session.output.line(f"B2Brouter tells {address} from now on: {', '.join(EVENTS)}.")
    session.output.line(f"The secret that signs, told this once: {secret}")
    session.output.line(
        f"Keep it in a file that only the connector reads and name that in [accounts.{account}] webhook_secret_file, "
        f"or in the environment as {setting}. The one before, if there is one, may stay as webhook_secret_before "
        "until its webhook is deleted. Then start the web again, and: connector webhooks test " + account
    )


@webhooks.command("list")
@click.pass_obj
def list_webhooks(session: Session) -> None:
    """Show for each account whether webhooks can arrive, and whether they do.

    What is registered at B2Brouter can be seen there alone, at Developers, Webhooks.
    """
    ledger = session.ledger_if_any()
    rows = []
    for name, settings in session.settings.accounts.items():
        last = ledger.inbox.last_received(name) if ledger else None
        state = ledger.accounts.get(name) if ledger else None
        proved = state.webhooks_proved_at if state else None
        rows.append((name, len(settings.webhook_secrets()), last, proved))
    if session.json:
        for name, secrets, last, proved in rows:
            found = {"secrets": secrets, "last_received": instant(last), "proved_at": instant(proved)}
            session.output.record({"account": name, "path": _path(name), **found})
        return
    columns = [Column("account"), Column("path"), Column("secrets"), Column("last event"), Column("relied on since")]
    session.output.table(
        columns,
        [
            (name, _path(name), str(secrets), local(last) if last else "never", local(proved) if proved else "–")
            for name, secrets, last, proved in rows
        ],
    )


@webhooks.command("test")
@click.argument("account")
@click.option("--url", metavar="URL", help="Where B2Brouter reaches [web]; by default its own address.")
@click.pass_obj
def test(session: Session, account: str, url: str | None) -> None:
    """Send a signed event to our own address, and one that is wrongly signed: one is taken, the other refused."""
    settings, web = session.services.account_settings(account), session.settings.web
    secrets = settings.webhook_secrets()
    if not secrets:
        raise UsageError(
            f"accounts.{account} has no webhook_secret.", action=f"connector webhooks register {account} --url …"
        )
    host = f"[{web.host}]" if ":" in web.host else web.host
    address = _address(url or f"http://{host}:{web.port}", account)
    answers = [_post(session, address, secret) for secret in (secrets[0], secrets[0] + "-wrong")]
    if answers != [200, 401]:
        raise OutsideError(
            f"{address} answered {answers[0]} to what is signed rightly and {answers[1]} to what is signed wrongly.",
            action="It should be 200 and 401. See that connector run or connector web serves this configuration, and "
            "that whatever stands before it hands on POST with header and body unchanged.",
        )
    if session.json:
        session.output.record({"account": account, "url": address, "right": answers[0], "wrong": answers[1]})
    else:
        session.output.line(f"{address} takes what is signed rightly and refuses what is not.")


def _post(session: Session, address: str, secret: str) -> int:
    import json
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen
    from uuid import uuid4

    body = json.dumps({"code": TEST, "data": {"event_id": uuid4().hex}}).encode()
    headers = {HEADER: sign(secret, body, now=session.services.clock.now()), "Content-Type": "application/json"}
    try:
        with urlopen(Request(address, body, headers, method="POST"), timeout=15) as answer:  # noqa: S310
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except (URLError, OSError) as error:
        raise OutsideError(
            f"{address} cannot be reached: {getattr(error, 'reason', error)}.",
            action="See that connector run or connector web runs, and that the address leads there.",
        ) from None


def _path(account: str) -> str:
    return f"/webhooks/b2brouter/{account}"


def _address(url: str, account: str) -> str:
    """Return where the account's webhook is, below the address that leads to the web."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise UsageError(f"{url} is no address.", action="Give one such as https://erp.example.com")
    base = url.rstrip("/")
    return base if base.endswith(_path(account)) else base + _path(account)
