"""The rules. Each is a test whose name is its line in the verdict sheet."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from traceback import format_exception
from typing import Any, ClassVar, Final

import pytest
from pydantic import BaseModel

from connector.adapters.testing.source import SHEET, Cells, Expected, ThrowAwaySource
from connector.adapters.trial.reading import (
    keys_of,
    listed,
    pages,
    require_companies_apart,
    require_confirmed,
    require_exact,
    require_heads_agree,
    require_hidden,
    require_lines_add_up,
    require_same_fingerprints,
    require_same_heads,
    require_totals_add_up,
)
from connector.adapters.trial.verdicts import RuleBrokenError, require
from connector.domain.errors import (
    ConnectorError,
    DocumentNotUsableError,
    SchemaChangedError,
    SourceNotPermittedError,
    SourceUnavailableError,
    UsageError,
    WriteBackRefusedError,
)
from connector.domain.invoice import Invoice, Kind
from connector.ports import Adapter, Found, Position

LATER: Final = datetime(2037, 3, 2, 9, 0, tzinfo=UTC)
"""After every change that a sample may hold."""
REFERENCE: Final = "471100815"
XREF: Final = "b2brouter:sandbox:1:471100815"
OTHER: Final = ("471100816", "b2brouter:sandbox:1:471100816")

_SEASONS: Final = (
    datetime(2036, 1, 15, 12, 0, tzinfo=UTC),
    datetime(2036, 3, 30, 0, 59, 59, tzinfo=UTC),  # the last second of winter time in the European Union
    datetime(2036, 3, 30, 1, 0, tzinfo=UTC),
    datetime(2036, 7, 15, 22, 30, tzinfo=UTC),  # another day in Europe already
    datetime(2036, 10, 26, 0, 30, tzinfo=UTC),  # half past two by local time in Central Europe, …
    datetime(2036, 10, 26, 1, 30, tzinfo=UTC),  # … and half past two again
    datetime(2036, 10, 26, 2, 30, tzinfo=UTC),
)
_TWICE: Final = _SEASONS[4:6]
_HOUR: Final = timedelta(hours=1)


class AdapterConformance:
    """Derive it and give it a fixture `source`: pytest then tries every rule on a fresh throw-away source."""

    rows: ClassVar[int] = 100_000
    """How many rows discovery must manage within `memory_limit`."""
    memory_limit: ClassVar[int] = 32 * 2**20
    """Bytes that discovery may hold at once, whatever there is to be found."""

    @pytest.fixture
    def source(self) -> ThrowAwaySource:
        """Return a fresh throw-away source."""
        pytest.fail("Give your class a fixture `source` that returns a ThrowAwaySource.")

    @pytest.fixture(autouse=True)
    def _noted(self, source: ThrowAwaySource, record_property: Callable[[str, object], None]) -> Iterator[None]:
        record_property(SHEET, type(self).__name__)
        yield
        source.close()

    # ------------------------------------------------------------ what is found

    def test_reasons_for_skipped_rules_speak_of_parts_that_exist(self, source: ThrowAwaySource) -> None:
        unknown = sorted(set(source.lacks) - source.parts())
        require(not unknown, f"lacks speaks of {', '.join(unknown)}; there are {', '.join(sorted(source.parts()))}")

    def test_every_confirmed_document_is_found_and_nothing_else(self, source: ThrowAwaySource) -> None:
        found = sorted(keys_of(listed(source.adapter())))
        expected = sorted(document.key for document in source.documents())
        require(bool(expected), "the sample has no confirmed document")
        missing, surplus = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
        require(not missing, f"find does not give the confirmed documents {', '.join(missing)}")
        require(not surplus, f"find gives {', '.join(surplus)}, which the ERP does not show as confirmed")
        require(found == expected, f"find gives a document twice: {', '.join(found)}")

    def test_drafts_and_cancelled_documents_never_appear(self, source: ThrowAwaySource) -> None:
        adapter, keys = source.adapter(), source.unconfirmed()
        require(bool(keys), "unconfirmed() names no document")
        shown = sorted(set(keys) & set(keys_of(listed(adapter))))
        require(not shown, f"find gives {', '.join(shown)}, which the ERP shows as a draft or as cancelled")
        for key, document in adapter.load(keys).items():
            if isinstance(document, Invoice):
                require(not document.confirmed, f"load says that {key} is confirmed, a draft or a cancelled one")

    def test_a_document_that_goes_back_to_draft_is_not_confirmed_any_more(self, source: ThrowAwaySource) -> None:
        adapter, key = source.adapter(), source.documents()[0].key
        require(_loaded(adapter, key).confirmed, f"load says that {key} is not confirmed")
        source.unconfirm(key)
        document = adapter.load([key]).get(key)
        if isinstance(document, Invoice):
            require(not document.confirmed, f"load still says that {key} is confirmed")
        require(key not in keys_of(listed(adapter)), f"find still gives {key}")

    def test_finding_twice_gives_the_same_keys_and_fingerprints(self, source: ThrowAwaySource) -> None:
        one, other = source.adapter(), source.adapter()
        first, second = listed(one), listed(other)
        require_same_heads(first, second, "finding a second time")
        keys = keys_of(first)
        require_same_fingerprints(one.load(keys), other.load(list(reversed(keys))))

    def test_a_changed_document_is_found_again_with_another_fingerprint(self, source: ThrowAwaySource) -> None:
        adapter, key = source.adapter(), source.documents()[0].key
        end, before = listed(adapter)[-1].position, _loaded(adapter, key).fingerprint()
        source.change(key, changed_at=LATER)
        again = keys_of(listed(adapter, after=end))
        require(again == [key], f"after a change of {key}, find gives {', '.join(again) or 'nothing'}")
        require(_loaded(adapter, key).fingerprint() != before, f"{key} was changed and has its old fingerprint")

    def test_the_list_and_the_documents_say_the_same(self, source: ThrowAwaySource) -> None:
        adapter = source.adapter()
        heads = listed(adapter)
        documents = adapter.load(keys_of(heads))
        require_confirmed(keys_of(heads), documents)
        require_heads_agree(heads, documents)

    def test_unknown_keys_are_left_out(self, source: ThrowAwaySource) -> None:
        adapter, key = source.adapter(), source.documents()[0].key
        strangers = ["987654321", "no-such-document", "'; --"]
        loaded = adapter.load([*strangers, key])
        require(set(loaded) == {key}, f"load was asked for {key} and three that do not exist; it gave {set(loaded)}")

    # ------------------------------------------------------------ order and pages

    def test_paging_loses_and_repeats_nothing_while_rows_are_added(self, source: ThrowAwaySource) -> None:
        adapter, expected = source.adapter(), {document.key for document in source.documents()}
        stamps = (LATER + timedelta(seconds=number) for number in range(5))
        seen: list[str] = []
        for page in pages(adapter, 2):
            seen += keys_of(page)
            if len(page) == 2 and (stamp := next(stamps, None)) is not None:  # a short page ends the look
                expected.add(source.add(changed_at=stamp))
        _require_each_once(seen, expected)

    def test_a_row_that_is_changed_between_two_pages_hides_no_other_row(self, source: ThrowAwaySource) -> None:
        adapter = source.adapter()
        expected, first = {document.key for document in source.documents()}, ""
        seen: list[str] = []
        for page in pages(adapter, 1):
            seen += keys_of(page)
            if not first:
                first = seen[0]
                source.change(first, changed_at=LATER)
        require(seen.count(first) == 2, f"{first} was changed after its page, and find gives it {seen.count(first)}×")
        _require_each_once(seen[1:], expected)

    def test_back_dated_documents_are_found(self, source: ThrowAwaySource) -> None:
        adapter = source.adapter()
        end = listed(adapter)[-1].position
        key = source.add(changed_at=LATER, issue_date=date(1999, 12, 31))
        after = keys_of(listed(adapter, after=end))
        require(after == [key], f"{key}, issued long ago and confirmed now, is not found: find gives {after}")

    def test_rows_that_are_committed_late_are_found_by_a_look_from_the_beginning(
        self, source: ThrowAwaySource
    ) -> None:
        adapter = source.adapter()
        heads = listed(adapter)
        stamp = heads[0].changed_at.replace(microsecond=0) + timedelta(seconds=1)
        key = source.add(changed_at=stamp)
        require(key in keys_of(listed(adapter)), f"{key}, whose time stamp is an old one, is not found")
        expected = {head.key for head in heads if head.changed_at >= stamp} | {key}
        overlap = Position(changed_at=stamp, key="")  # how discovery goes back a little at each look
        missing = sorted(expected - set(keys_of(listed(adapter, after=overlap))))
        require(not missing, f"from {stamp} on, with any key, find does not give {', '.join(missing)}")

    def test_equal_time_stamps_lose_and_repeat_nothing(self, source: ThrowAwaySource) -> None:
        added = {source.add(changed_at=LATER) for _ in range(7)}
        expected = added | {document.key for document in source.documents()}
        adapter = source.adapter()
        for size in (1, 2, 3, 7):
            _require_each_once(keys_of(listed(adapter, size)), expected)

    def test_time_stamps_are_right_in_winter_and_in_summer(self, source: ThrowAwaySource) -> None:
        stamps = {source.add(changed_at=stamp): stamp for stamp in _SEASONS}
        found = {head.key: head for head in listed(source.adapter(), 2)}
        for key, stamp in stamps.items():
            require(key in found, f"the document of {stamp} is not found")
            right = {stamp} | ({*_TWICE} if source.local_time and stamp in _TWICE else set())
            require(found[key].changed_at in right, f"a change of {stamp} is told as one of {found[key].changed_at}")

    def test_documents_of_before_the_start_date_are_left_out(self, source: ThrowAwaySource) -> None:
        adapter, documents = source.adapter(), source.documents()
        start = sorted(document.issue_date for document in documents)[len(documents) // 2]
        expected = {document.key for document in documents if document.issue_date >= start}
        _require_each_once(keys_of(listed(adapter, 2, since=start)), expected)

    def test_companies_never_mix(self, source: ThrowAwaySource) -> None:
        adapter = source.adapter()
        heads = listed(adapter)
        require_companies_apart(adapter, heads, 2)
        if len({head.company for head in heads}) < 2:
            source.not_supplied("second_company")

    def test_many_rows_are_found_in_bounded_memory(self, source: ThrowAwaySource) -> None:
        source.fill(self.rows)
        adapter = source.adapter()
        found = 0
        tracemalloc.start()
        try:
            for page in pages(adapter):
                found += len(page)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        require(found >= self.rows, f"{self.rows} documents were added, and {found} are found")
        require(peak <= self.memory_limit, f"finding {found} documents took {peak / 2**20:.0f} MB of memory")

    def test_many_documents_are_loaded_by_as_many_queries_as_one(self, source: ThrowAwaySource) -> None:
        adapter, keys = source.adapter(), [document.key for document in source.documents()]
        adapter.load(keys)  # what is looked up once is known from here on
        with source.queries() as for_one:
            adapter.load(keys[:1])
        with source.queries() as for_all:
            adapter.load(keys)
        require(bool(for_one), "no query was seen")
        allowed = len(for_one) * 2  # one document may lack what others have, such as an original
        require(len(for_all) <= allowed, f"{len(for_one)} queries for one document, {len(for_all)} for {len(keys)}")

    def test_several_threads_may_read_at_once(self, source: ThrowAwaySource) -> None:
        adapter = source.adapter()
        with ThreadPoolExecutor(4) as threads:
            looks = list(threads.map(lambda _: _everything(adapter), range(8)))
        for heads, fingerprints in looks[1:]:
            require_same_heads(looks[0][0], heads, "looking from several threads")
            require(fingerprints == looks[0][1], "documents read by several threads differ")

    # ------------------------------------------------------------ what a document says

    def test_the_amounts_of_the_erp_are_carried_exactly(self, source: ThrowAwaySource) -> None:
        for document, expected in zip(_documents(source), source.documents(), strict=True):
            require_exact(document)
            _require_as_expected(document, expected)
            require_totals_add_up(document)

    def test_the_figures_of_each_line_give_its_net_amount(self, source: ThrowAwaySource) -> None:
        for document in _documents(source):
            require_lines_add_up(document)

    def test_fractions_are_exact(self, source: ThrowAwaySource) -> None:
        lines = [line for document in _documents(source) for line in document.lines]
        # More digits than an amount of money, and few enough not to be the remains of a binary fraction.
        digits = [_decimals(figure) for line in lines for figure in (line.quantity, line.net_price)]
        if not any(decimals > 2 for decimals in digits):
            source.not_supplied("fraction")
        require(max(digits) <= 12, f"a quantity or price has {max(digits)} decimals: it went through a float")

    def test_negative_lines_stay_negative(self, source: ThrowAwaySource) -> None:
        expected = {document.key: document for document in source.documents()}
        negative = [key for key, document in expected.items() if any(net < 0 for net in document.lines)]
        if not negative:
            source.not_supplied("negative_line")
        for document in _documents(source, negative):
            nets = tuple(line.net_amount for line in document.lines)
            require(
                nets == expected[document.key].lines, f"the lines of {document.key} are {nets}: signs were changed"
            )

    def test_discounts_are_told(self, source: ThrowAwaySource) -> None:
        if not any(line.allowances for document in _documents(source) for line in document.lines):
            source.not_supplied("discount")

    def test_credit_notes_name_their_original(self, source: ThrowAwaySource) -> None:
        adapter = source.adapter()
        linked = [document for document in source.documents() if document.original is not None]
        if not linked:
            source.not_supplied("credit_note")
        for expected in linked:
            document = _loaded(adapter, expected.key)
            require(document.kind is Kind.CREDIT_NOTE, f"the credit note {expected.key} is mapped to {document.kind}")
            named = None if document.original is None else document.original.key
            require(named == expected.original, f"{expected.key} credits {expected.original}; mapped is {named}")

    def test_a_bad_document_is_reported_and_the_others_still_come(self, source: ThrowAwaySource) -> None:
        adapter, keys = source.adapter(), [document.key for document in source.documents()]
        bad = keys[0]
        source.spoil(bad)
        _require_each_once(keys_of(listed(adapter, 2)), set(keys))
        documents = adapter.load(keys)
        reported = documents.get(bad)
        require(
            isinstance(reported, DocumentNotUsableError),
            f"{bad} cannot be read, and load gives {type(reported).__name__} for it, no DocumentNotUsableError",
        )
        assert isinstance(reported, DocumentNotUsableError)
        require(reported.key == bad, f"the error of {bad} is about {reported.key or 'no document'}")
        for key in keys[1:]:
            require(isinstance(documents.get(key), Invoice), f"{key} does not come, because {bad} cannot be read")

    # ------------------------------------------------------------ what goes wrong outside

    def test_a_missing_column_is_named(self, source: ThrowAwaySource) -> None:
        _everything(source.adapter())
        name = source.drop_column()
        _require_schema_changed(source.adapter(), f"column {name}", name)

    def test_a_missing_table_is_named(self, source: ThrowAwaySource) -> None:
        name = source.drop_table()
        _require_schema_changed(source.adapter(), f"table {name}", name)

    def test_a_wrong_password_is_not_permitted_and_never_told(self, source: ThrowAwaySource) -> None:
        adapter, secret = source.wrong_password()
        try:
            for ask in (lambda: adapter.find(None, 1, since=None, companies=None), lambda: adapter.load(["1"])):
                error = _raised(ask)
                require(
                    isinstance(error, SourceNotPermittedError),
                    f"a wrong password gives {type(error).__name__}, not SourceNotPermittedError",
                )
                assert isinstance(error, SourceNotPermittedError)
                require_hidden(secret, [error.message, error.action, repr(error), "".join(format_exception(error))])
            rows = adapter.check()
            require(any(row.status == "failed" for row in rows), "check() is content with a wrong password")
            require_hidden(secret, [f"{row.name} {row.message} {row.action}" for row in rows])
        finally:
            adapter.close()

    def test_wrong_settings_are_refused_by_name(self, source: ThrowAwaySource) -> None:
        model: type[BaseModel] = type(source.adapter()).Options  # type: ignore[attr-defined]
        wrong = {name: object() for name, field in model.model_fields.items() if field.annotation is not Any}
        for name, value in {"no_such_setting": 1, **wrong}.items():
            error = _raised(lambda name=name, value=value: source.adapter(**{name: value}))  # type: ignore[misc]
            require(isinstance(error, UsageError), f"a wrong {name} gives {type(error).__name__}, not UsageError")
            require(name in str(error), f"a wrong {name} is refused without its name: {error}")

    def test_the_check_up_is_content_and_changes_nothing(self, source: ThrowAwaySource) -> None:
        adapter = source.adapter()
        before = None if source.reason("snapshot") else source.snapshot()
        rows = adapter.check()
        require(bool(rows), "check() tried nothing")
        failed = next((row for row in rows if row.status == "failed"), None)
        require(failed is None, f"check() fails on a sound source: {failed}")
        require({row.status for row in rows} <= {"ok", "warning"}, f"check() has a status of its own: {rows}")
        if before is not None:
            require(source.snapshot() == before, "check() changed the ERP")

    def test_the_identity_is_the_same_each_time(self, source: ThrowAwaySource) -> None:
        one, other = source.adapter().identity(), source.adapter().identity()
        require(bool(one.strip()), "identity() is empty")
        require(one == other, f"identity() is {one} once, and {other} the next time")

    def test_a_lost_connection_is_survived(self, source: ThrowAwaySource) -> None:
        adapter = source.adapter()
        before = _everything(adapter)
        source.cut_connections()
        after = _again(lambda: _everything(adapter))
        require(after == before, "after a lost connection, other documents are found")

    # ------------------------------------------------------------ write-back

    def test_writing_back_twice_changes_nothing_more(self, source: ThrowAwaySource) -> None:
        adapter, key = _writer(source)
        adapter.record(key, REFERENCE, XREF)
        document, once = _loaded(adapter, key), source.snapshot()
        require(
            (document.reference, document.xref) == (REFERENCE, XREF),
            f"written were {REFERENCE} and {XREF}; load says {document.reference} and {document.xref}",
        )
        source.adapter().record(key, REFERENCE, XREF)
        changed = _changed(once, source.snapshot())
        require(not changed, f"writing the same again changed {', '.join(changed)}")

    def test_write_back_touches_only_the_named_columns(self, source: ThrowAwaySource) -> None:
        adapter, key = _writer(source)
        before = source.snapshot()
        adapter.record(key, REFERENCE, XREF)
        changed = _changed(before, source.snapshot())
        strange = sorted(changed - set(source.written))
        require(
            not strange, f"the write-back changed {', '.join(strange)}; it may change {', '.join(source.written)}"
        )
        require(bool(changed), "the write-back changed nothing at all")

    def test_write_back_never_replaces_another_reference(self, source: ThrowAwaySource) -> None:
        adapter, key = _writer(source)
        adapter.record(key, REFERENCE, XREF)
        before = source.snapshot()
        for reference, xref in ((OTHER[0], OTHER[1]), (REFERENCE, OTHER[1])):
            error = _raised(lambda pair=(reference, xref): adapter.record(key, *pair))  # type: ignore[misc]
            require(
                isinstance(error, WriteBackRefusedError),
                f"{reference} and {xref} over {REFERENCE} and {XREF}: {type(error).__name__}, not"
                " WriteBackRefusedError",
            )
        changed = _changed(before, source.snapshot())
        require(not changed, f"a refused write-back changed {', '.join(changed)}")

    def test_write_back_of_a_document_that_is_gone_is_refused(self, source: ThrowAwaySource) -> None:
        adapter, _ = _writer(source)
        before = source.snapshot()
        for key in ("987654321", "no-such-document"):
            error = _raised(lambda key=key: adapter.record(key, REFERENCE, XREF))  # type: ignore[misc]
            require(
                isinstance(error, WriteBackRefusedError),
                f"writing to {key}, which does not exist, gives {type(error).__name__}, not WriteBackRefusedError",
            )
        require(source.snapshot() == before, "writing to a document that does not exist changed the ERP")

    def test_the_own_write_does_not_wake_discovery(self, source: ThrowAwaySource) -> None:
        adapter, key = _writer(source)
        heads, fingerprint = listed(adapter), _loaded(adapter, key).fingerprint()
        adapter.record(key, REFERENCE, XREF)
        require_same_heads(heads, listed(adapter), "the write-back moved what find gives")
        require(_loaded(adapter, key).fingerprint() == fingerprint, "the write-back changed the fingerprint")

    def test_write_back_survives_a_lost_connection(self, source: ThrowAwaySource) -> None:
        adapter, key = _writer(source)
        adapter.record(source.documents()[-1].key, *OTHER)
        source.cut_connections()
        _again(lambda: adapter.record(key, REFERENCE, XREF))
        document = _loaded(adapter, key)
        require(
            (document.reference, document.xref) == (REFERENCE, XREF),
            f"after a lost connection, load says {document.reference} and {document.xref}",
        )


def rules() -> Sequence[str]:
    """Return the names of all rules, in their order."""
    return [name for name in vars(AdapterConformance) if name.startswith("test_")]


# ---------------------------------------------------------------- what the rules have in common


def _loaded(adapter: Adapter, key: str) -> Invoice:
    return _all_loaded(adapter, [key])[key]


def _all_loaded(adapter: Adapter, keys: Sequence[str]) -> dict[str, Invoice]:
    loaded = adapter.load(keys)
    documents = {}
    for key in keys:
        document = loaded.get(key)
        if isinstance(document, DocumentNotUsableError):
            raise RuleBrokenError(f"{key} cannot be read: {document.message}")
        if document is None:
            raise RuleBrokenError(f"load does not give {key}")
        documents[key] = document
    return documents


def _documents(source: ThrowAwaySource, keys: Sequence[str] | None = None) -> Sequence[Invoice]:
    wanted = [document.key for document in source.documents()] if keys is None else keys
    return [*_all_loaded(source.adapter(), wanted).values()]


def _everything(adapter: Adapter) -> tuple[list[Found], Mapping[str, str]]:
    heads = listed(adapter)
    loaded = adapter.load(keys_of(heads))
    return heads, {key: found.fingerprint() for key, found in loaded.items() if isinstance(found, Invoice)}


def _require_each_once(seen: Sequence[str], expected: set[str]) -> None:
    missing, surplus = sorted(expected - set(seen)), sorted(set(seen) - expected)
    require(not missing, f"lost: {', '.join(missing)}")
    require(not surplus, f"not expected: {', '.join(surplus)}")
    repeated = sorted({key for key in seen if seen.count(key) > 1})
    require(not repeated, f"found more than once: {', '.join(repeated)}")


def _require_as_expected(document: Invoice, expected: Expected) -> None:
    totals = document.totals
    mapped = Expected(
        key=document.key,
        number=document.number or "",
        issue_date=document.issue_date or date.min,
        net=totals.net,
        tax=totals.tax,
        withholding=totals.withholding,
        payable=totals.payable,
        lines=tuple(line.net_amount for line in document.lines),
        kind=document.kind,
        currency=document.currency or "",
        original=expected.original,  # a rule of its own
    )
    for name in ("number", "kind", "issue_date", "currency", "net", "tax", "withholding", "payable", "lines"):
        ours, theirs = getattr(mapped, name), getattr(expected, name)
        require(
            ours == theirs,
            f"{name} of document {document.key} is {_told(theirs)} in the ERP, mapped is {_told(ours)}",
        )


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _decimals(figure: Any) -> int:
    return max(0, -int(figure.normalize().as_tuple().exponent))


def _raised(ask: Callable[[], object]) -> Exception | None:
    """Return what a call raises; a bug counts as well, and is told by its name."""
    try:
        ask()
    except Exception as error:  # noqa: BLE001  # the rule judges it
        return error
    return None


def _again(ask: Callable[[], Any]) -> Any:
    """Ask once more where the source was unavailable at first, as the core would later."""
    try:
        return ask()
    except SourceUnavailableError:
        return ask()


def _require_schema_changed(adapter: Adapter, thing: str, name: str) -> None:
    error = _raised(lambda: _everything(adapter))
    require(isinstance(error, SchemaChangedError), f"without {thing}: {type(error).__name__}, not SchemaChangedError")
    require(name.lower() in str(error).lower(), f"without {thing}, the message does not name it: {error}")
    try:
        failed = [row for row in adapter.check() if row.status == "failed"]
    except ConnectorError as raised:
        raise RuleBrokenError(f"without {thing}, check() raises {type(raised).__name__}") from raised
    require(bool(failed), f"without {thing}, check() is content")
    told = " ".join(f"{row.message} {row.action}" for row in failed).lower()
    require(name.lower() in told, f"without {thing}, check() does not name it: {told}")


def _writer(source: ThrowAwaySource) -> tuple[Adapter, str]:
    if not source.written:
        source.not_supplied("written")
    return source.adapter(), source.documents()[0].key


def _changed(before: Cells, after: Cells) -> set[str]:
    """Return the columns, as table.column, in which any value differs; NULL is as good as no row."""
    places = set(before) | set(after)
    return {
        f"{table}.{column}"
        for place in places
        if before.get(place) != after.get(place)
        for table, _, column in [place]
    }
