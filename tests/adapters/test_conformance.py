"""The conformance suite catches every adapter that breaks a rule, and lets a sound one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from connector.adapters.options import read
from connector.adapters.testing import AdapterConformance, ThrowAwaySource
from connector.adapters.testing.conformance import rules
from connector.domain.errors import DocumentNotUsableError, SourceNotPermittedError, WriteBackRefusedError
from connector.domain.invoice import Invoice, Kind, Line
from connector.ports import CheckRow, Company, Found, Position
from tests.adapters.reference import OneSession, ReferenceAdapter, ReferenceSource, Row, Tables


class TestReference(AdapterConformance):
    """A sound adapter passes every rule."""

    rows = 2_000  # what the rule about memory catches is shown below

    @pytest.fixture
    def source(self) -> ThrowAwaySource:
        return ReferenceSource()


class TestReferenceWithAConnection(AdapterConformance):
    """So does one whose first call after a lost connection fails."""

    rows = 2_000

    @pytest.fixture
    def source(self) -> ThrowAwaySource:
        return ReferenceSource(OneSession)


# --- one adapter per rule, which breaks it


class LosesADocument(ReferenceAdapter):
    def is_listed(self, each: Row) -> bool:
        return super().is_listed(each) and each["company"] == "1"


class ShowsDrafts(ReferenceAdapter):
    def is_listed(self, each: Row) -> bool:
        return bool(each["state"] != "cancelled")


class CallsDraftsConfirmed(ReferenceAdapter):
    def invoice(self, each: Row) -> Invoice:
        return replace(super().invoice(each), confirmed=True)


class RemembersConfirmed(ReferenceAdapter):
    def __init__(self, tables: Tables, **options: Any) -> None:
        super().__init__(tables, **options)
        self.known: dict[str, Invoice | DocumentNotUsableError] = {}

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        return {key: self.known.setdefault(key, found) for key, found in super().load(keys).items()}


class NotesWhenItRead(ReferenceAdapter):
    def invoice(self, each: Row) -> Invoice:
        return replace(super().invoice(each), note=f"read by {id(self)}")


class ReadsInAnyOrder(ReferenceAdapter):
    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        first = keys[0] if keys else ""
        return {
            key: replace(found, note=f"after {first}") if isinstance(found, Invoice) else found
            for key, found in super().load(keys).items()
        }


class OrdersByIssueDate(ReferenceAdapter):
    def stamp(self, each: Row) -> datetime:
        issued: date = each["issue_date"]
        return datetime(issued.year, issued.month, issued.day, tzinfo=UTC)


class ListsAnotherTotal(ReferenceAdapter):
    def head(self, each: Row) -> Found:
        return replace(super().head(each), total=each["net"])


class InventsUnknownDocuments(ReferenceAdapter):
    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        missing = {key: DocumentNotUsableError(f"There is no {key}.", key=key) for key in keys}
        return {**missing, **super().load(keys)}


class PagesByOffset(ReferenceAdapter):
    """Newest first on the inside: what is added pushes all others."""

    def __init__(self, tables: Tables, **options: Any) -> None:
        super().__init__(tables, **options)
        self.offset = 0

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        self.offset = 0 if after is None else self.offset + limit
        newest = list(reversed(super().find(None, 10**9, since=since, companies=companies)))
        return sorted(newest[self.offset : self.offset + limit], key=lambda found: (found.changed_at, found.key))


class CountsRows(ReferenceAdapter):
    """Pages by how many rows came so far: one that moves to the end pulls another one over the edge."""

    def __init__(self, tables: Tables, **options: Any) -> None:
        super().__init__(tables, **options)
        self.given = 0

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        self.given = 0 if after is None else self.given
        page = super().find(None, 10**9, since=since, companies=companies)[self.given : self.given + limit]
        self.given += len(page)
        return page


class LooksBackAMonth(ReferenceAdapter):
    def is_listed(self, each: Row) -> bool:
        return super().is_listed(each) and each["issue_date"] >= date(2026, 1, 1)


class BelievesInTheEnd(ReferenceAdapter):
    """Keeps the latest time that it saw, and takes nothing older from then on."""

    def __init__(self, tables: Tables, **options: Any) -> None:
        super().__init__(tables, **options)
        self.seen: set[str] = set()
        self.latest = datetime.min.replace(tzinfo=UTC)

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        found = super().find(after, limit, since=since, companies=companies)
        found = [each for each in found if each.key in self.seen or each.changed_at > self.latest]
        self.seen |= {each.key for each in found}
        self.latest = max([self.latest, *(each.changed_at for each in found)])
        return found


class IgnoresTheKey(ReferenceAdapter):
    def comes_after(self, each: Row, after: Position) -> bool:
        return self.stamp(each) > after.changed_at


class TakesLocalTimeForUtc(ReferenceAdapter):
    def stamp(self, each: Row) -> datetime:
        return super().stamp(each).astimezone(ZoneInfo("Europe/Madrid")).replace(tzinfo=UTC)


class IgnoresTheStartDate(ReferenceAdapter):
    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        return super().find(after, limit, since=None, companies=companies)


class MixesCompanies(ReferenceAdapter):
    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        return super().find(after, limit, since=since, companies=None if companies else companies)


class HidesACompany(ReferenceAdapter):
    def companies(self) -> Sequence[Company]:
        return super().companies()[:1]


class KeepsAllRows(ReferenceAdapter):
    def __init__(self, tables: Tables, **options: Any) -> None:
        super().__init__(tables, **options)
        self.kept: list[Found] = []

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        if after is None:
            self.kept = list(super().find(None, 10**9, since=since, companies=companies))
        start = 0 if after is None else 1 + self.kept.index(next(f for f in self.kept if f.position == after))
        return self.kept[start : start + limit]


class AsksForEachDocument(ReferenceAdapter):
    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        return {key: found for each in keys for key, found in super(AsksForEachDocument, self).load([each]).items()}


class SharesAPlaceBetweenThreads(ReferenceAdapter):
    """The first thread's position is where the second one reads on."""

    def __init__(self, tables: Tables, **options: Any) -> None:
        super().__init__(tables, **options)
        self.calls = 0

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        self.calls += 1
        return super().find(after, limit, since=since, companies=companies)[self.calls // 3 :]


class CountsInFloats(ReferenceAdapter):
    def line(self, text: str, quantity: Decimal, price: Decimal, discount: Decimal, net: Decimal) -> Line:
        return super().line(text, float(quantity), price, discount, net)  # type: ignore[arg-type]


class TurnsCreditNotesNegative(ReferenceAdapter):
    def invoice(self, each: Row) -> Invoice:
        document = super().invoice(each)
        sign = -1 if document.kind is Kind.CREDIT_NOTE else 1
        return replace(document, totals=replace(document.totals, payable=sign * document.totals.payable))


class RecomputesTheTax(ReferenceAdapter):
    def invoice(self, each: Row) -> Invoice:
        document = super().invoice(each)
        tax = (document.totals.net * Decimal("0.21")).quantize(Decimal("0.1"))
        totals = replace(document.totals, tax=tax, payable=document.totals.net + tax)
        return replace(document, totals=totals)


class ForgetsDiscounts(ReferenceAdapter):
    def line(self, text: str, quantity: Decimal, price: Decimal, discount: Decimal, net: Decimal) -> Line:
        return super().line(text, quantity, price, Decimal(0), net)


class SpreadsDiscounts(ReferenceAdapter):
    def line(self, text: str, quantity: Decimal, price: Decimal, discount: Decimal, net: Decimal) -> Line:
        return super().line(text, quantity, price - discount / quantity, Decimal(0), net)


class ReadsFractionsFromFloats(ReferenceAdapter):
    def line(self, text: str, quantity: Decimal, price: Decimal, discount: Decimal, net: Decimal) -> Line:
        return super().line(text, quantity, Decimal(float(price) * 1.1), discount, net)


class LosesSigns(ReferenceAdapter):
    def line(self, text: str, quantity: Decimal, price: Decimal, discount: Decimal, net: Decimal) -> Line:
        return super().line(text, abs(quantity), price, discount, abs(net))


class ForgetsOriginals(ReferenceAdapter):
    def invoice(self, each: Row) -> Invoice:
        return replace(super().invoice(each), original=None)


class StopsAtABadDocument(ReferenceAdapter):
    def usable(self, each: Row) -> Invoice | DocumentNotUsableError:
        return self.invoice(each)


class DropsBadDocuments(ReferenceAdapter):
    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        return {key: found for key, found in super().load(keys).items() if isinstance(found, Invoice)}


class CallsItABug(ReferenceAdapter):
    def _rows(self, keys: Sequence[str] | None = None) -> list[Row]:
        if self.tables.gone or not self.tables.names:
            raise KeyError("net")
        return super()._rows(keys)


class NamesNothing(ReferenceAdapter):
    def _rows(self, keys: Sequence[str] | None = None) -> list[Row]:
        try:
            return super()._rows(keys)
        except Exception as error:  # noqa: BLE001  # it is told on
            raise type(error)("Something is missing.") from None


class TellsThePassword(ReferenceAdapter):
    def connect(self) -> None:
        if self.options.password != self.tables.password:
            raise SourceNotPermittedError(f"The ERP refuses {self.options.password}.")


class TakesAnyPassword(ReferenceAdapter):
    def connect(self) -> None:
        self.tables.sessions.add(id(self))


class IgnoresUnknownSettings(ReferenceAdapter):
    def __init__(self, tables: Tables, **options: Any) -> None:
        known = {name: value for name, value in options.items() if name in self.Options.model_fields}
        super().__init__(tables, **known)


class HidesWhichSettingIsWrong(ReferenceAdapter):
    def __init__(self, tables: Tables, **options: Any) -> None:
        try:
            read(self.Options, options, source="erp")
        except Exception as error:  # noqa: BLE001  # it is told on
            raise type(error)("A setting is wrong.") from None
        super().__init__(tables, **options)


class ChecksByWriting(ReferenceAdapter):
    def check(self) -> Sequence[CheckRow]:
        self.write("1", {"xref": "tried"})
        return super().check()


class ChecksNothing(ReferenceAdapter):
    def check(self) -> Sequence[CheckRow]:
        return []


class IsNeverTheSame(ReferenceAdapter):
    def identity(self) -> str:
        return f"memory:{id(self)}"


class NeverConnectsAgain(OneSession):
    def connect(self) -> None:
        if self.opened and id(self) not in self.tables.sessions:
            raise ConnectionResetError("The connection was lost.")
        super().connect()


class CountsWrites(ReferenceAdapter):
    def write(self, key: str, wanted: Mapping[str, str]) -> None:
        super().write(key, wanted)
        self.tables.documents[key]["number"] += "."


class LosesTheXref(ReferenceAdapter):
    def write(self, key: str, wanted: Mapping[str, str]) -> None:
        super().write(key, {"reference": wanted["reference"]})


class StampsItsWrite(ReferenceAdapter):
    def write(self, key: str, wanted: Mapping[str, str]) -> None:
        super().write(key, wanted)
        self.tables.documents[key]["changed_at"] += timedelta(days=1)


class ReplacesReferences(ReferenceAdapter):
    def record(self, key: str, reference: str, xref: str) -> None:
        if not self._rows([key]):
            raise WriteBackRefusedError(f"There is no document {key}.")
        self.write(key, {"reference": reference, "xref": xref})


class ComparesTheReferenceOnly(ReferenceAdapter):
    def record(self, key: str, reference: str, xref: str) -> None:
        super().record(key, reference, self.tables.documents[key]["xref"] or xref)
        self.write(key, {"reference": reference, "xref": xref})


class WritesNowhere(ReferenceAdapter):
    def record(self, key: str, reference: str, xref: str) -> None:
        if self._rows([key]):
            super().record(key, reference, xref)


class WakesDiscovery(ReferenceAdapter):
    def stamp(self, each: Row) -> datetime:
        return super().stamp(each) + timedelta(hours=1 if each["reference"] else 0)


class SpeaksOfNoPart(ReferenceSource):
    lacks: ClassVar[Mapping[str, str]] = {"drop_colum": "There are no columns."}


BROKEN: Mapping[str, Sequence[Callable[..., ReferenceAdapter]]] = {
    "every_confirmed_document_is_found_and_nothing_else": [LosesADocument],
    "drafts_and_cancelled_documents_never_appear": [ShowsDrafts, CallsDraftsConfirmed],
    "a_document_that_goes_back_to_draft_is_not_confirmed_any_more": [RemembersConfirmed, CallsDraftsConfirmed],
    "finding_twice_gives_the_same_keys_and_fingerprints": [NotesWhenItRead, ReadsInAnyOrder],
    "a_changed_document_is_found_again_with_another_fingerprint": [RemembersConfirmed, OrdersByIssueDate],
    "the_list_and_the_documents_say_the_same": [ListsAnotherTotal],
    "unknown_keys_are_left_out": [InventsUnknownDocuments],
    "paging_loses_and_repeats_nothing_while_rows_are_added": [PagesByOffset],
    "a_row_that_is_changed_between_two_pages_hides_no_other_row": [CountsRows],
    "back_dated_documents_are_found": [LooksBackAMonth, OrdersByIssueDate],
    "rows_that_are_committed_late_are_found_by_a_look_from_the_beginning": [BelievesInTheEnd],
    "equal_time_stamps_lose_and_repeat_nothing": [IgnoresTheKey],
    "time_stamps_are_right_in_winter_and_in_summer": [TakesLocalTimeForUtc],
    "documents_of_before_the_start_date_are_left_out": [IgnoresTheStartDate],
    "companies_never_mix": [MixesCompanies, HidesACompany],
    "many_documents_are_loaded_by_as_many_queries_as_one": [AsksForEachDocument],
    "several_threads_may_read_at_once": [SharesAPlaceBetweenThreads],
    "the_amounts_of_the_erp_are_carried_exactly": [CountsInFloats, TurnsCreditNotesNegative, RecomputesTheTax],
    "the_figures_of_each_line_give_its_net_amount": [ForgetsDiscounts],
    "fractions_are_exact": [ReadsFractionsFromFloats],
    "negative_lines_stay_negative": [LosesSigns],
    "discounts_are_told": [SpreadsDiscounts],
    "credit_notes_name_their_original": [ForgetsOriginals],
    "a_bad_document_is_reported_and_the_others_still_come": [StopsAtABadDocument, DropsBadDocuments],
    "a_missing_column_is_named": [CallsItABug, NamesNothing],
    "a_missing_table_is_named": [CallsItABug, NamesNothing],
    "a_wrong_password_is_not_permitted_and_never_told": [TellsThePassword, TakesAnyPassword],
    "wrong_settings_are_refused_by_name": [IgnoresUnknownSettings, HidesWhichSettingIsWrong],
    "the_check_up_is_content_and_changes_nothing": [ChecksByWriting, ChecksNothing],
    "the_identity_is_the_same_each_time": [IsNeverTheSame],
    "a_lost_connection_is_survived": [NeverConnectsAgain],
    "writing_back_twice_changes_nothing_more": [CountsWrites, LosesTheXref],
    "write_back_touches_only_the_named_columns": [CountsWrites, StampsItsWrite],
    "write_back_never_replaces_another_reference": [ReplacesReferences, ComparesTheReferenceOnly],
    "write_back_of_a_document_that_is_gone_is_refused": [WritesNowhere],
    "the_own_write_does_not_wake_discovery": [WakesDiscovery],
    "write_back_survives_a_lost_connection": [NeverConnectsAgain],
}
APART = {
    "reasons_for_skipped_rules_speak_of_parts_that_exist",
    "many_rows_are_found_in_bounded_memory",
}


def test_there_is_a_broken_adapter_for_every_rule() -> None:
    assert {rule.removeprefix("test_") for rule in rules()} == set(BROKEN) | APART


@pytest.mark.parametrize(
    ("rule", "adapter"),
    [(rule, adapter) for rule, adapters in BROKEN.items() for adapter in adapters],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_broken_adapter_is_caught_by_its_rule(rule: str, adapter: Callable[..., ReferenceAdapter]) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception, TypeError, ConnectionResetError)):
        try_rule(rule, ReferenceSource(adapter))


def test_an_adapter_that_holds_all_rows_is_caught_by_its_memory() -> None:
    with pytest.raises(AssertionError, match="took"):
        try_rule("many_rows_are_found_in_bounded_memory", ReferenceSource(KeepsAllRows), rows=10_000, limit=2**20)
    try_rule("many_rows_are_found_in_bounded_memory", ReferenceSource(), rows=3_000, limit=2**20)


def test_a_reason_for_something_that_does_not_exist_is_caught() -> None:
    with pytest.raises(AssertionError, match="drop_colum; there are add"):
        try_rule("reasons_for_skipped_rules_speak_of_parts_that_exist", SpeaksOfNoPart())


# --- what is not supplied


class Bare(ReferenceSource):
    """Nobody supplies drop_table here, and nobody says why."""

    def drop_table(self) -> str:
        self.not_supplied("drop_table")


class Excused(Bare):
    lacks: ClassVar[Mapping[str, str]] = {"drop_table": "Its tables are files of a mainframe."}


class Silent(Bare):
    lacks: ClassVar[Mapping[str, str]] = {"drop_table": "  "}


@pytest.mark.parametrize("source", [Bare, Silent])
def test_a_part_that_is_not_supplied_without_a_reason_fails(source: Callable[[], ThrowAwaySource]) -> None:
    with pytest.raises(pytest.fail.Exception, match="Nobody supplies drop_table"):
        try_rule("a_missing_table_is_named", source())


def test_a_part_that_is_not_supplied_for_a_reason_skips_its_rule() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"Its tables are files of a mainframe\."):
        try_rule("a_missing_table_is_named", Excused())


def try_rule(rule: str, source: ThrowAwaySource, *, rows: int = 100, limit: int = 2**25) -> None:
    """Try one rule on a source, outside of pytest's collection."""
    suite = type("Suite", (AdapterConformance,), {"rows": rows, "memory_limit": limit})()
    try:
        getattr(suite, f"test_{rule}")(source)
    finally:
        source.close()
