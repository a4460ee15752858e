"""One account at B2Brouter against the ERP that issues through it: what a check-up has to say about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar

from connector.adapters.checks import failed, ok, warning
from connector.b2brouter.client import B2BrouterClient
from connector.bootstrap import Services
from connector.domain.channels import CHANNELS, Channel
from connector.domain.errors import ConnectorError, StepError
from connector.domain.fitting import Fitting, fitting
from connector.domain.identity import tax_number_key
from connector.domain.invoice import Invoice
from connector.operations.recent import DAYS, recent
from connector.operations.texts import count
from connector.ports import CheckRow, Company, RemoteAccount, RemoteReportSetting
from connector.supervision import at_the_end

Extra = TypeVar("Extra")

_WHERE: Final = 'in B2Brouter, in the account\'s settings, section "Invoices and quotes"'
_UNAVAILABLE: Final = "not available for this account"
_MOST_LINES: Final = 5000
"""Lines of the documents that are calculated anew; all twelve ways take about a millisecond for each."""

_WARN_FROM: Final = 0.8
_REPORTS: Final = {"ES": ("verifactu", "tbai"), "FR": ("dgfip",)}
"""What a country's companies report by, any of them."""


@dataclass(frozen=True, slots=True)
class _Feed:
    """What one source has to do with the account."""

    source: str
    companies: Sequence[Company]  # that issue through it
    shared: bool  # the account is named for all companies of the source, though it can belong to one only
    documents: Sequence[Invoice]


class AccountRows:
    """The rows of one account that answers to our key."""

    def __init__(self, services: Services, account: str, there: RemoteAccount, *, today: date) -> None:
        self._services = services
        self._account = account
        self._there = there
        self._today = today
        self._remote: B2BrouterClient = services.remote(account)
        self._unread: list[CheckRow] = []

    def rows(self) -> Iterator[CheckRow]:
        """Yield them; a source that cannot be read is told once, and the rest goes without it."""
        yield self._key()
        feeds = [feed for feed in map(self._feed, self._services.sources_of(self._account)) if feed]
        yield from self._unread
        for feed in feeds:
            yield from self._companies(feed)
        documents = [document for feed in feeds for document in feed.documents]
        if documents:
            yield self._calculation(documents)
        yield from self._extra("transports", self._remote.read_transports, lambda on: self._transports(on, documents))
        yield from self._extra("tax reports", self._remote.read_report_settings, self._reports)
        yield self._transactions()

    def _name(self, part: str) -> str:
        return f"account {self._account}: {part}"

    def _extra(
        self, part: str, read: Callable[[], Extra | None], judge: Callable[[Extra], CheckRow]
    ) -> Iterator[CheckRow]:
        try:
            found = read()
        except StepError as error:
            told = at_the_end(self._services, self._account, error)
            yield warning(self._name(part), told.message, told.action)
            return
        if found is None:
            yield ok(self._name(part), _UNAVAILABLE)
        else:
            yield judge(found)

    # ------------------------------------------------------------ key

    def _key(self) -> CheckRow:
        """Say whether the key is of the environment's kind; a wrong one has been refused before."""
        name, environment = self._name("key"), self._services.settings.b2brouter.environment
        is_test = self._services.account_settings(self._account).key().startswith("test_")
        if environment == "staging" and is_test:
            told = "the key begins with test_, as those of the sandbox do; staging has keys of its own"
            return warning(name, told, "Make a key on the staging site, under Developers, API Keys.")
        kind = {"sandbox": "a sandbox key (test_…)", "production": "no sandbox key"}.get(environment, "the key")
        return ok(name, f"{kind} fits the environment {environment}")

    # ------------------------------------------------------------ what the ERP says

    def _feed(self, source: str) -> _Feed | None:
        settings = self._services.source_settings(source)
        try:
            adapter = self._services.adapter(source)
            everybody = adapter.companies()
            companies = [company for company in everybody if settings.account_of(company.key) == self._account]
            wanted = None if settings.accounts is None else [company.key for company in companies]
            documents = recent(adapter, wanted, today=self._today)
        except ConnectorError as error:
            told = f"not compared with source {source}, which cannot be read: {error.message}"
            self._unread.append(warning(self._name("ERP"), told, error.action))
            return None
        shared = settings.account is not None and len(everybody) > 1
        if shared:
            documents = [one for one in documents if self._is_ours(one.seller.tax_number, one.seller.country)]
        return _Feed(source, [_completed(company, documents) for company in companies], shared, documents)

    def _is_ours(self, tax_number: str | None, country: str | None) -> bool:
        theirs = (self._there.country or "").upper()
        same_country = not country or not theirs or country.upper() == theirs
        known = tax_number_key(tax_number, country or theirs)
        return same_country and known == tax_number_key(self._there.tax_number, theirs or country)

    def _companies(self, feed: _Feed) -> Iterator[CheckRow]:
        """Compare who issues in the ERP with whom the account belongs to."""
        name = self._name("company")
        known = [company for company in feed.companies if company.tax_number]
        if not known:
            yield ok(name, f"not compared: source {feed.source} does not say the tax number of the company")
            return
        if not self._there.tax_number:
            yield warning(name, "B2Brouter shows no tax number for the account.", "Enter it in B2Brouter.")
            return
        ours = [company for company in known if self._is_ours(company.tax_number, company.country)]
        for company in known:
            name = self._name("company" if len(known) == 1 else f"company {company.key}")
            if company in ours:
                yield ok(name, f"{_about(company)} is the company of the account")
            elif feed.shared and ours:
                told = f"{_about(company)} is another company than the account's: its documents are held"
                yield warning(name, told, f"Say whose account is whose with sources.{feed.source}.accounts.")
            else:
                yield self._foreign(name, feed.source, company)

    def _foreign(self, name: str, source: str, company: Company) -> CheckRow:
        there = self._there
        owner = f"{there.name or 'a company'} ({there.tax_number}, {(there.country or '?').upper()})"
        told = f"The ERP's company is {_about(company)}, but account {there.id} belongs to {owner}."
        action = f"Correct accounts.{self._account}.account_id, or name another account in source {source}."
        return failed(name, told, action)

    # ------------------------------------------------------------ calculation

    def _calculation(self, documents: Sequence[Invoice]) -> CheckRow:
        name, used = self._name("calculation"), self._there.arithmetic
        if used is None:
            told = "B2Brouter does not show how the account calculates."
            return warning(name, told, f"See {_WHERE}, whether it calculates as your ERP does.")
        found = fitting(_latest(documents), self._remote.sheet, used)
        if not found.used.documents:
            return ok(name, "not compared: no document of the ERP has figures that could be told")
        if not found.used.misses:
            tried = count(found.used.documents, "recent document")
            return ok(name, f"the account's settings give the ERP's totals of {tried}: {used}")
        return _mismatch(name, found)

    # ------------------------------------------------------------ transports

    def _transports(self, enabled: frozenset[str], documents: Sequence[Invoice]) -> CheckRow:
        name = self._name("transports")
        young = [one for one in documents if one.issue_date and one.issue_date >= self._today - timedelta(days=DAYS)]
        missing: dict[Channel, int] = {}
        for channel in CHANNELS:
            invoices = sum(channel.serves(one.buyer) for one in young)
            if invoices and not enabled & set(channel.transports):
                missing[channel] = invoices
        if missing:
            codes = ", ".join(dict.fromkeys(channel.transports[0] for channel in missing))
            told = f"Of the last {DAYS} days, {'; '.join(_lacking(*one) for one in missing.items())}."
            return warning(name, told, f"Enable {codes} in B2Brouter, in the account's settings, Transports.")
        told = f"{', '.join(sorted(enabled)) or 'none'} enabled"
        return ok(name, f"{told}; enough for {count(len(young), 'document')} of the last {DAYS} days")

    # ------------------------------------------------------------ tax reports, transactions

    def _reports(self, found: Sequence[RemoteReportSetting]) -> CheckRow:
        name = self._name("tax reports")
        enabled = [setting for setting in found if setting.enabled]
        told = [self._report(setting) for setting in enabled]
        expected = _REPORTS.get((self._there.country or "").upper(), ())
        if expected and not any(setting.code in expected for setting in enabled):
            told.append(f"{' or '.join(expected)} is not set up: nothing is reported to the tax authority by it")
        if not any(map(self._is_ahead, enabled)):
            return ok(name, "; ".join(told) or "none is set up")
        action = "Wait for that day, or change the date in B2Brouter, in the account's settings, tax reports."
        return warning(name, f"{'; '.join(told)}.", action)

    def _report(self, setting: RemoteReportSetting) -> str:
        if self._is_ahead(setting):
            effect = "nothing can be sent" if setting.code == "dgfip" else "nothing is reported to the tax authority"
            return f"{setting.code} begins on {setting.start_date}: until then {effect}"
        since = f" since {setting.start_date}" if setting.start_date else ""
        return f"{setting.code} is set up{since}"

    def _is_ahead(self, setting: RemoteReportSetting) -> bool:
        return setting.start_date is not None and setting.start_date > self._today

    def _transactions(self) -> CheckRow:
        name = self._name("transactions")
        used, limit = self._there.transactions_count, self._there.transactions_limit
        if used is None or not limit:
            return ok(name, f"{'?' if used is None else f'{used:,}'} used; B2Brouter shows no limit")
        told = f"{used:,} of {limit:,} used"
        if used >= limit:
            return failed(name, f"{told}: the plan allows no more.", "Enlarge the plan in B2Brouter.")
        if used >= _WARN_FROM * limit:
            return warning(name, f"{told}, {100 * used // limit} %.", "Enlarge the plan in B2Brouter in time.")
        return ok(name, told)


def _latest(documents: Sequence[Invoice]) -> list[Invoice]:
    """Return the last ones that are not too much to calculate, one at least."""
    chosen: list[Invoice] = []
    lines = 0
    for document in reversed(documents):
        lines += len(document.lines)
        if chosen and lines > _MOST_LINES:
            break
        chosen.append(document)
    return chosen[::-1]


def _completed(company: Company, documents: Sequence[Invoice]) -> Company:
    """Take the tax number from the company's documents where the list of companies does not say it."""
    if company.tax_number:
        return company
    seller = next((one.seller for one in reversed(documents) if one.company == company.key), None)
    if seller is None:
        return company
    return Company(
        key=company.key,
        name=seller.name or company.name,
        tax_number=seller.tax_number,
        country=company.country or seller.country,
    )


def _about(company: Company) -> str:
    return f"{company.name} ({', '.join(filter(None, (company.tax_number, company.country)))})"


def _mismatch(name: str, found: Fitting) -> CheckRow:
    used, best = found.used, found.best
    wrong = (
        f"With the account's present settings the totals of {used.misses} of "
        f"{count(used.documents, 'recent document')} would differ from the ERP's, such as {used.example}"
    )
    if not found.improves:
        action = "Such documents are held; connector explain says which line carries the difference."
        return warning(name, f"{wrong}. No other settings give more of them; present: {used.way}.", action)
    changes = used.way.changes_to(best.way)
    values = "; ".join(f"{one} is {used.way.settings[one]} and should be {right}" for one, right in changes.items())
    settings = ", ".join(f"{one} = {right}" for one, right in changes.items())
    gain = "all agree then" if not best.misses else f"{best.documents - best.misses} of {best.documents} agree then"
    return warning(name, f"{wrong}: {values}.", f"Set {settings} {_WHERE}: {gain}.")


def _lacking(channel: Channel, invoices: int) -> str:
    are = "is" if invoices == 1 else "are"
    needed = " or ".join(channel.transports)
    return f"{count(invoices, 'document')} {are} addressed to {channel.recipients}, and {needed} is not enabled"
