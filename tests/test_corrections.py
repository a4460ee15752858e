"""Corrections: which sign and reference the issuer's country demands, and what they wait for."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import text

from connector.domain.invoice import AllowanceCharge, Invoice, Kind, Line, Original, Party
from connector.domain.job import Status
from connector.ledger.actions import RELEASE, RETRY, SKIP
from connector.validation import levels_of
from tests.support.builders import CUSTOMER, IRPF, IVA, OTHER_CUSTOMER, credit_note, invoice, line, tax_totals, totals
from tests.support.house import House, Opener

WRONG = replace(CUSTOMER, tax_number="ESA28015866")
SEND = "send_invoice"
CENT_MORE = Decimal("100.01")


def state_of(house: House, key: str) -> tuple[Status, str | None]:
    job = house.job(key)
    return job.status, job.reason


def sent(house: House) -> list[str | None]:
    return [entry.number for entry in house.requests(SEND)]


def warnings(house: House, key: str) -> list[str | None]:
    return [event.reason for event in house.timeline(key) if event.what == "warned"]


def release(house: House, key: str, note: str = "sent on paper in 2024") -> list[int]:
    """What `connector release` does."""
    return house.ledger.actions.perform(RELEASE, [house.job(key)], who="Ana", note=note)


def debit_note(key: str, original: Invoice, **changes: object) -> Invoice:
    return replace(credit_note(key, original), kind=Kind.INVOICE, number=f"D-{key}", **changes)  # type: ignore[arg-type]


# ---------------------------------------------------------------- signs, references, totals

VERSIONS = ("2025-10-13", "2026-03-02", "2026-04-20")
COUNTRIES = ("ES", "FR", "IT", "BE", "DE", "PT", "NL")

RABATE = AllowanceCharge(amount=Decimal("15.00"), description="Rappel", taxes=(IVA,))


def over_a_discount(document: Invoice) -> Invoice:
    """Fifteen less on the whole document, before tax."""
    minus = line("-15.00")
    taxes = tax_totals((*document.lines, minus))
    return replace(document, allowances=(RABATE,), tax_totals=taxes, totals=totals((*document.lines, minus), taxes))


def corrections() -> dict[str, Invoice]:
    original = invoice("1")
    return {
        "plain": credit_note("2", original),
        "of several units": credit_note("2", original, line("33.333", quantity="3"), line("0.07", quantity="12.5")),
        "mixed": credit_note("2", original, line("100.00"), line("20.00", quantity="-1"), line("-5.00")),
        "with a line discount": credit_note(
            "2",
            original,
            line(
                "9.99",
                quantity="3",
                net_amount=Decimal("27.98"),
                allowances=(AllowanceCharge(amount=Decimal("1.99")),),
            ),
        ),
        "over a document discount": over_a_discount(credit_note("2", original)),
        "debit note": debit_note("2", original),
    }


def settled_in(document: Invoice, country: str) -> Invoice:
    """The same document of an issuer there."""
    return replace(
        document, seller=Party(key="1", name="Issuer", tax_number=document.seller.tax_number, country=country)
    )


@pytest.mark.parametrize("name", corrections())
@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("version", VERSIONS)
def test_sign_flag_and_reference_are_those_of_the_issuers_country(
    open_house: Opener, version: str, country: str, name: str
) -> None:
    house = open_house(api_version=version)
    document = settled_in(corrections()[name], country)
    original = settled_in(invoice("1"), country)

    house.issue(original, document)

    house.assert_issued("1", "2")
    [there] = house.remote_invoices(document.number)
    spanish = country == "ES"
    sign = -1 if spanish and document.is_credit_note else 1
    assert there.totals.total == sign * document.totals.payable
    assert there.totals.subtotal == sign * document.totals.net
    assert there.is_credit_note is (document.is_credit_note and not spanish)
    assert all(row.price >= 0 for row in there.lines)
    reason = {"reason": "R1"} if spanish else {"reason": None}
    assert there.fields["references"] == [
        {"reference_type": "amend", "number": "F-1", "date": "2026-01-10", **reason}
    ]


def rounded(document: Invoice, rounding: str) -> Invoice:
    """The same document, to be paid in coins that there are."""
    figures = document.totals
    payable = figures.payable + Decimal(rounding)
    return replace(document, totals=replace(figures, rounding=Decimal(rounding), payable=payable))


@pytest.mark.parametrize("rounding", ["0.02", "-0.02"])
@pytest.mark.parametrize("country", ["ES", "FR"])
def test_cash_rounding_is_in_the_total_alone_and_taken_back_with_the_rest(
    house: House, country: str, rounding: str
) -> None:
    first = settled_in(invoice("1"), country)
    original, correction = rounded(first, rounding), rounded(settled_in(credit_note("2", first), country), rounding)

    house.issue(original, correction)

    house.assert_issued("1", "2")
    for document, sign in ((original, 1), (correction, -1 if country == "ES" else 1)):
        [there] = house.remote_invoices(document.number)
        assert there.totals.total == sign * (Decimal("121.00") + Decimal(rounding))
        assert there.totals.subtotal == sign * Decimal("100.00")
        assert [row.amount for row in there.totals.taxes] == [sign * Decimal("21.00")]


def test_cash_rounding_that_a_version_of_the_api_has_no_place_for_is_held(open_house: Opener) -> None:
    house = open_house(api_version="2025-10-13")

    house.issue(rounded(invoice("1"), "0.02"))

    assert state_of(house, "1") == (Status.HELD, "rounding_untold")


@pytest.mark.parametrize("country", ["ES", "FR"])
@pytest.mark.parametrize("was_sent", [True, False])
def test_a_replacement_of_what_the_erp_gave_up_names_it_only_if_it_was_sent(
    house: House, country: str, *, was_sent: bool
) -> None:
    """Dolibarr replaces invoices as a rule before anybody saw them; without a write-back only the ledger knows."""
    replaced = settled_in(invoice("1"), country)
    if was_sent:
        house.issue(replaced)
    named = Original(key="1", number="F-1", date=replaced.issue_date, confirmed=False)

    house.issue(settled_in(invoice("2", original=named), country))

    if not was_sent and country == "ES":
        assert state_of(house, "2") == (Status.HELD, "original_not_issued")
        return
    [there] = house.remote_invoices("F-2")
    assert [each["number"] for each in there.fields.get("references") or ()] == (["F-1"] if was_sent else [])


@pytest.mark.parametrize("version", VERSIONS)
def test_withholding_is_taken_back_with_the_rest(open_house: Opener, version: str) -> None:
    house = open_house(api_version=version)
    original = invoice("1", line("200.00", taxes=(IVA, IRPF)))

    house.issue(original, credit_note("2", original))

    house.assert_issued("1", "2")
    [there] = house.remote_invoices("R-2")
    assert (there.totals.subtotal, there.totals.total) == (Decimal("-200.00"), Decimal("-212.00"))


def test_the_reason_of_the_erp_goes_before_the_accounts(house: House) -> None:
    original = invoice("1")

    house.issue(original, credit_note("2", original, amend_reason="R4"), credit_note("3", original, line("1.00")))

    reasons = [house.remote_invoices(number)[0].fields["references"][0]["reason"] for number in ("R-2", "R-3")]
    assert reasons == ["R4", "R1"]


# ---------------------------------------------------------------- the original is on its way


@pytest.mark.parametrize("threads", [1, 8])
def test_a_chain_of_any_depth_goes_in_its_order_within_one_pass(open_house: Opener, threads: int) -> None:
    house = open_house(threads=threads)
    documents = [invoice("0", buyer=WRONG)]
    for depth in range(1, 13):
        documents.append(credit_note(str(depth), documents[-1], buyer=CUSTOMER, number=f"R-{depth:02}"))
    for document in reversed(documents):  # the last correction is found first
        house.erp.add(document)
        house.clock.advance(1)
    house.discover()
    house.run()
    assert {state_of(house, str(depth)) for depth in range(1, 13)} == {(Status.WAITING, "original_waiting")}

    house.erp.replace(replace(documents[0], buyer=CUSTOMER))
    house.discover()
    house.drain()  # no time passes: whatever became free became due at once

    house.assert_issued(*map(str, range(13)))
    assert sent(house) == [document.number for document in documents]


@pytest.mark.parametrize("threads", [1, 16])
def test_many_credit_notes_of_one_invoice_follow_it_at_once(open_house: Opener, threads: int) -> None:
    house = open_house(threads=threads)
    original = invoice("0", line("1000.00"))
    notes = [credit_note(str(n), original, line("10.00")) for n in range(1, 31)]

    house.take_in(*notes, original)
    house.drain()
    while house.ledger.jobs.release_ready():  # who was judged in the very moment of the sending
        house.drain()

    house.assert_issued(*map(str, range(31)))
    assert sent(house)[0] == "F-0"


def test_many_retried_at_once_go_in_their_order(house: House) -> None:
    house.rules = replace(house.rules, many_companies=True, owner_tax_number="ESB00000000")
    originals = [invoice(f"1{n}") for n in range(5)]
    house.issue(*(credit_note(f"2{n}", original) for n, original in enumerate(originals)), *originals)
    assert {job.reason for job in house.jobs()} == {"company_unmapped"}
    house.rules = replace(house.rules, many_companies=False, owner_tax_number=None)

    held = house.jobs()
    assert len(house.ledger.actions.perform(RETRY, held, who="Ana", note="mapped")) == 10
    house.run()

    order = sent(house)
    assert all(order.index(f"F-1{n}") < order.index(f"R-2{n}") for n in range(5))


def of_both(key: str, first: Invoice, second: Invoice, *lines: Line) -> Invoice:
    """A credit note of two invoices."""
    further = Original(key=second.key, number=second.number or "", date=second.issue_date)
    return replace(credit_note(key, first, *lines, buyer=CUSTOMER), further_originals=(further,))


@pytest.mark.parametrize("stuck", ["1", "2"])
def test_a_credit_note_of_several_invoices_waits_for_each_of_them(house: House, stuck: str) -> None:
    first, second = (invoice(key, buyer=WRONG if key == stuck else CUSTOMER) for key in "12")
    house.issue(of_both("3", first, second), first, second)
    assert state_of(house, "3") == (Status.WAITING, "original_waiting")
    assert house.job("3").details["number"] == f"F-{stuck}"

    house.erp.alter(stuck, buyer=CUSTOMER)
    house.discover()
    house.run()

    house.assert_issued("1", "2", "3")
    assert sent(house)[-1] == "R-3"
    assert house.job("3").original_key == "1"


def test_a_credit_note_of_which_one_original_is_unknown_is_held_until_a_person_lets_it_go(house: House) -> None:
    first = invoice("1")
    house.issue(first, replace(credit_note("3", first), further_originals=(Original(key=None, number="F-9"),)))
    assert state_of(house, "3") == (Status.HELD, "original_not_issued")
    assert house.job("3").details["number"] == "F-9"

    release(house, "3", "issued on paper")
    house.run()

    house.assert_issued("1", "3")


def test_what_several_invoices_billed_together_may_be_credited_by_one(house: House) -> None:
    first, second = invoice("1", line("100.00")), invoice("2", line("100.00"))
    house.issue(first, second, of_both("3", first, second, line("160.00")))
    house.issue(of_both("4", first, second, line("60.00")))

    house.assert_issued("1", "2", "3", "4")
    assert warnings(house, "3") == []
    assert warnings(house, "4") == ["credited_too_much"]
    [told] = [event.details for event in house.timeline("4") if event.what == "warned"]
    assert (told["number"], told["total"], told["credited"]) == ("F-1, F-2", "242.00", "266.20")


def test_whoever_waits_for_another_original_by_now_is_judged_anew(house: House) -> None:
    stuck, good = invoice("1", buyer=WRONG), invoice("2")
    house.issue(stuck, good, credit_note("3", stuck, buyer=CUSTOMER))
    assert state_of(house, "3") == (Status.WAITING, "original_waiting")

    house.erp.alter("3", original=Original(key="2", number="F-2", date=good.issue_date))
    house.discover()
    house.run()

    house.assert_issued("2", "3")


def test_an_original_that_only_the_document_names_is_waited_for_as_well(house: House) -> None:
    """The list of heads may not give it: the link is then learnt when the document is judged."""
    original = invoice("1", buyer=WRONG)
    house.erp.add(original, credit_note("2", original, buyer=CUSTOMER))
    head = house.erp.records["2"].head
    house.erp.records["2"].head = replace(head, original_key=None)
    house.discover()
    house.run()
    assert state_of(house, "2") == (Status.WAITING, "original_waiting")

    house.erp.alter("1", buyer=CUSTOMER)
    house.discover()
    house.drain()

    house.assert_issued("1", "2")


BLANKS = [
    ("FV-9", "FV-2026-10", "FV-9"),
    ("FV-9      ", "FV-2026-10", "FV-9"),  # CHAR(10)
    ("FV-9      ", "FV-10     ", "FV-9"),
    ("      FV-9", "FV-2026-10", "FV-9"),
    ("FV-2026-8", "FV-9", "FV-2026-8"),
]
"""Keys of an original and of what corrects it, as their columns fill them up; and how it is referred to."""


@pytest.mark.parametrize(("first", "second", "named"), BLANKS)
def test_an_original_is_found_whatever_blanks_its_key_has(house: House, first: str, second: str, named: str) -> None:
    original = invoice(first, buyer=WRONG)
    other = invoice(named[:4] + "." if len(named) > 4 else "FV-1")  # which no spelling means
    correction = replace(
        credit_note(second, original, buyer=CUSTOMER), original=Original(key=named, number=original.number or "")
    )
    house.issue(original, correction, other)
    assert state_of(house, second) == (Status.WAITING, "original_waiting")
    assert house.ledger.jobs.release_ready() == 0

    house.erp.alter(first, buyer=CUSTOMER)
    house.discover()
    house.drain()

    house.assert_issued(other.key, first, second)


@pytest.mark.parametrize(("first", "second", "named"), BLANKS)
@pytest.mark.parametrize("is_late", [False, True])
def test_an_original_that_comes_later_is_known_with_its_blanks(
    house: House, first: str, second: str, named: str, *, is_late: bool
) -> None:
    original = invoice(first)
    correction = replace(credit_note(second, original), original=Original(key=named, number=original.number or ""))
    house.issue(correction)
    assert state_of(house, second) == (Status.HELD, "original_not_issued")

    house.erp.add(original)
    house.discover()
    if is_late:  # the correction is in other hands while its original goes
        with house.ledger.database.write() as connection:
            connection.execute(text("UPDATE job SET status = 'running' WHERE key = :key"), {"key": second})
        house.drain()
        with house.ledger.database.write() as connection:
            connection.execute(text("UPDATE job SET status = 'held' WHERE key = :key"), {"key": second})
        assert house.ledger.jobs.release_ready() == 1
    house.drain()

    house.assert_issued(first, second)


@pytest.mark.parametrize(("first", "second", "named"), BLANKS)
def test_a_ring_is_seen_through_blanks(house: House, first: str, second: str, named: str) -> None:
    one = replace(credit_note(first, invoice("0")), original=Original(key=second.strip(), number=f"R-{second}"))
    other = replace(credit_note(second, invoice("0")), original=Original(key=named, number=f"R-{first}"))
    house.issue(one, other)

    assert {state_of(house, key) for key in (first, second)} == {(Status.HELD, "original_circular")}


# ---------------------------------------------------------------- the original does not go


def test_an_original_that_a_person_left_out_is_said_and_released_with_it(house: House) -> None:
    original = invoice("1", buyer=WRONG)
    house.issue(original, credit_note("2", original, buyer=CUSTOMER))
    house.ledger.actions.perform(SKIP, [house.job("1")], who="Ana", note="?")
    house.run()
    assert state_of(house, "2") == (Status.HELD, "original_skipped")

    house.erp.alter("1", buyer=CUSTOMER)
    release(house, "1")
    house.run()

    house.assert_issued("1", "2")


def test_an_original_that_was_deleted_is_said_until_it_is_there_again(house: House) -> None:
    original = invoice("1", buyer=WRONG)
    house.issue(original, credit_note("2", original, buyer=CUSTOMER))
    house.erp.delete("1")
    house.ledger.actions.perform(RETRY, [house.job("1")], who="Ana", note="?")
    house.run()
    house.ledger.jobs.release_ready()
    house.run()
    assert state_of(house, "1") == (Status.HELD, "erp_deleted")
    assert state_of(house, "2") == (Status.HELD, "original_deleted")

    house.erp.add(invoice("1"))
    house.discover()
    house.run()

    house.assert_issued("1", "2")


@pytest.mark.parametrize("rested_for", ["vat_number_wrong", "not_confirmed", "totals_differ"])
def test_an_original_that_is_deleted_while_it_rests_is_said_until_it_is_there_again(
    house: House, rested_for: str
) -> None:
    original = invoice("1")
    faulty = {
        "vat_number_wrong": replace(original, buyer=WRONG),
        "not_confirmed": original,
        "totals_differ": replace(original, totals=replace(original.totals, net=CENT_MORE, payable=CENT_MORE + 21)),
    }[rested_for]
    house.take_in(faulty, credit_note("2", original, buyer=CUSTOMER))
    if rested_for == "not_confirmed":
        house.erp.back_to_draft("1")
    house.run()
    assert house.job("1").reason == rested_for
    assert state_of(house, "2") == (Status.WAITING, "original_waiting")
    there = len(house.remote_invoices())

    house.erp.delete("1")
    house.discover()
    house.run()
    assert state_of(house, "1") == (Status.HELD, "erp_deleted")
    house.ledger.jobs.release_ready()
    house.run()
    assert state_of(house, "2") == (Status.HELD, "original_deleted")
    assert len(house.remote_invoices()) == there
    house.assert_nothing_sent()

    house.erp.add(original)
    house.discover()
    house.run()
    house.assert_issued("1", "2")


def test_an_original_that_is_a_draft_again_is_not_waited_for_but_followed(house: House) -> None:
    original = invoice("1", buyer=WRONG)
    named = Original(key="1", number="F-1", date=original.issue_date, confirmed=False)
    house.issue(original, replace(credit_note("2", original, buyer=CUSTOMER), original=named))
    assert state_of(house, "2") == (Status.HELD, "original_not_issued")

    house.erp.alter("1", buyer=CUSTOMER)
    house.erp.alter("2", silently=True, original=replace(named, confirmed=True))
    house.discover()
    house.run()

    house.assert_issued("1", "2")


# ---------------------------------------------------------------- the original was issued elsewhere

OLD = Original(key="77", number="OLD-9", date=date(2024, 5, 4))
START = date(2026, 1, 1)


def referring(house: House) -> None:
    house.rules = replace(house.rules, external_originals=True, since=START)


def test_an_original_older_than_the_start_date_is_held_by_default(house: House) -> None:
    house.rules = replace(house.rules, since=START)
    house.issue(replace(credit_note("2", invoice("1")), original=OLD))

    assert state_of(house, "2") == (Status.HELD, "original_not_issued")
    house.assert_nothing_sent()


@pytest.mark.parametrize("original", [OLD, replace(OLD, key=None)], ids=["by key", "by number"])
def test_where_the_operator_allows_it_number_and_date_are_the_reference(house: House, original: Original) -> None:
    referring(house)
    house.issue(replace(credit_note("2", invoice("1")), original=original))

    house.assert_issued("2")
    [there] = house.remote_invoices("R-2")
    assert there.fields["references"] == [
        {"reference_type": "amend", "number": "OLD-9", "date": "2024-05-04", "reason": "R1"}
    ]
    assert warnings(house, "2") == ["original_external"]


@pytest.mark.parametrize(
    "original",
    [
        replace(OLD, confirmed=False),
        replace(OLD, date=date(2026, 1, 5)),
        replace(OLD, date=None),
        replace(OLD, number=""),
    ],
    ids=["a draft", "recent, so to be found here", "of unknown age", "without number"],
)
def test_what_may_still_come_or_never_was_issued_is_held_all_the_same(house: House, original: Original) -> None:
    referring(house)
    house.issue(replace(credit_note("2", invoice("1")), original=original))

    assert state_of(house, "2") == (Status.HELD, "original_not_issued")


def test_a_number_without_a_date_is_no_reference(house: House) -> None:
    referring(house)
    house.issue(replace(credit_note("2", invoice("1")), original=replace(OLD, key=None, date=None)))

    assert state_of(house, "2") == (Status.HELD, "original_date_missing")


def test_before_the_erp_was_read_through_nobody_is_taken_for_unknown(house: House) -> None:
    """Work begins while discovery still reads: the original may be on the next page."""
    referring(house)
    original = invoice("1")
    by_number = replace(
        credit_note("2", original), original=Original(key=None, number="F-1", date=original.issue_date)
    )
    house.erp.add(by_number)
    house.ledger.intake.add("erp", house.erp.find(None, 10, since=None, companies=None), lambda company: "main")
    house.drain()
    assert state_of(house, "2") == (Status.PENDING, "original_waiting")

    house.take_in(original)
    house.run()

    house.assert_issued("1", "2")
    assert sent(house) == ["F-1", "R-2"]
    assert warnings(house, "2") == []


@pytest.mark.parametrize("original", [OLD, replace(OLD, date=None)], ids=["dated", "undated"])
def test_a_person_may_let_one_go_and_transient_faults_do_not_undo_it(house: House, original: Original) -> None:
    house.know_customer(invoice())
    house.issue(replace(credit_note("2", invoice("1")), original=original))
    assert state_of(house, "2") == (Status.HELD, "original_not_issued")
    house.ledger.actions.perform(RETRY, [house.job("2")], who="Ana", note="again")
    house.run()
    assert state_of(house, "2") == (Status.HELD, "original_not_issued")  # a retry decides nothing

    house.fault("rate_limit", operation="create_invoice", times=2)
    assert release(house, "2")
    house.run()

    house.assert_issued("2")
    assert "original_external" in warnings(house, "2")


def test_what_a_person_allowed_for_one_original_holds_for_no_other(house: House) -> None:
    house.issue(replace(credit_note("2", invoice("1")), original=OLD))
    release(house, "2")
    house.erp.alter("2", original=replace(OLD, key="78", number="OLD-10"))
    house.discover()
    house.run()

    assert state_of(house, "2") == (Status.HELD, "original_not_issued")


def test_a_person_may_let_one_go_whose_original_was_left_out(house: House) -> None:
    original = invoice("1", buyer=WRONG)
    house.issue(original, credit_note("2", original, buyer=CUSTOMER))
    house.ledger.actions.perform(SKIP, [house.job("1")], who="Ana", note="went by paper")
    house.run()

    release(house, "2")
    house.run()

    house.assert_issued("2")


# ---------------------------------------------------------------- known by number only


def by_number(key: str, original: Invoice, *, dated: bool = True) -> Invoice:
    named = Original(key=None, number=original.number or "", date=original.issue_date if dated else None)
    return replace(credit_note(key, original, buyer=CUSTOMER), original=named)


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("order", ["original first", "correction first"])
def test_an_original_known_by_number_is_found_in_the_ledger(house: House, order: str, dated: bool) -> None:
    original = invoice("1")
    note = by_number("2", original, dated=dated)
    first, second = (original, note) if order == "original first" else (note, original)
    house.issue(first)
    house.issue(second)
    house.ledger.jobs.release_ready()
    house.run()

    house.assert_issued("1", "2")
    assert sent(house) == ["F-1", "R-2"]


def test_an_original_known_by_number_is_waited_for_and_followed_at_once(house: House) -> None:
    original = invoice("1", buyer=WRONG)
    house.issue(original, by_number("2", original))
    assert state_of(house, "2") == (Status.WAITING, "original_waiting")

    house.erp.alter("1", buyer=CUSTOMER)
    house.discover()
    house.drain()

    house.assert_issued("1", "2")


def test_a_namesake_of_another_day_is_not_the_original(house: House) -> None:
    original = invoice("1")
    note = by_number("2", replace(original, issue_date=date(2025, 1, 1)))
    house.issue(original, note)
    assert house.ledger.jobs.release_ready() == 0

    assert state_of(house, "2") == (Status.HELD, "original_not_issued")


def test_of_two_namesakes_none_is_guessed(house: House) -> None:
    one, two = invoice("1", number="F-1", series="A"), invoice("3", number="F-1", series="B")
    house.issue(one, two, by_number("2", one))

    assert state_of(house, "2") == (Status.HELD, "original_ambiguous")
    told = house.job("2").message or ""
    assert f"{house.job('1').id}, {house.job('3').id}" in told


# ---------------------------------------------------------------- rings


def ring(*keys: str) -> list[Invoice]:
    """Credit notes of which each corrects the next, and the last the first."""
    following = dict(zip(keys, (*keys[1:], keys[0]), strict=True))
    base = invoice("0")
    return [
        replace(credit_note(key, base), original=Original(key=after, number=f"R-{after}", date=base.issue_date))
        for key, after in following.items()
    ]


@pytest.mark.parametrize("keys", [("1",), ("1", "2"), ("1", "2", "3", "4")], ids=len)
def test_a_ring_is_held_and_its_numbers_are_told(house: House, keys: tuple[str, ...]) -> None:
    house.issue(*ring(*keys))

    assert {state_of(house, key) for key in keys} == {(Status.HELD, "original_circular")}
    told = house.job("1").message or ""
    assert " → ".join(f"R-{key}" for key in (*keys, keys[0])) in told
    house.assert_nothing_sent()


def test_a_ring_is_seen_even_where_only_the_documents_tell_of_it(open_house: Opener) -> None:
    house = open_house(threads=4)
    for document in ring("1", "2", "3"):
        house.erp.add(document)
        record = house.erp.records[document.key]
        record.head = replace(record.head, original_key=None)
    house.discover()
    house.run()

    reasons = {house.job(key).reason for key in ("1", "2", "3")}
    assert "original_circular" in reasons
    house.assert_nothing_sent()


def test_a_broken_ring_goes_by_itself(house: House) -> None:
    original = invoice("0")
    one, two = ring("1", "2")
    house.issue(original, one, two)

    house.erp.alter("2", original=Original(key="0", number="F-0", date=original.issue_date))
    house.discover()
    house.run()

    house.assert_issued("0", "1", "2")
    assert sent(house) == ["F-0", "R-2", "R-1"]


def test_who_only_leads_to_a_ring_waits(house: House) -> None:
    outside = replace(credit_note("9", invoice("0")), original=Original(key="1", number="R-1"))
    house.issue(*ring("1", "2"), outside)

    assert state_of(house, "9") == (Status.WAITING, "original_waiting")
    assert house.ledger.jobs.release_ready() == 0


# ---------------------------------------------------------------- several corrections of one invoice


def test_partial_credit_notes_each_have_their_number(house: House) -> None:
    original = invoice("1", line("100.00"))
    house.issue(original, credit_note("2", original, line("60.00")), credit_note("3", original, line("40.00")))

    house.assert_issued("1", "2", "3")
    assert warnings(house, "2") == warnings(house, "3") == []


def test_more_credited_than_billed_goes_with_a_warning(house: House) -> None:
    original = invoice("1", line("100.00"))
    house.issue(original, credit_note("2", original, line("60.00")))
    house.issue(credit_note("3", original, line("60.00")))

    house.assert_issued("1", "2", "3")
    assert warnings(house, "3") == ["credited_too_much"]
    [told] = [event.details for event in house.timeline("3") if event.what == "warned"]
    assert told == {"number": "F-1", "total": "121.00", "credited": "145.20", "currency": "EUR"}


def test_a_credit_note_for_another_customer_than_its_original_s_goes_with_a_warning(house: House) -> None:
    original = invoice("1", line("100.00"))
    house.issue(original, replace(credit_note("2", original, line("10.00")), buyer=OTHER_CUSTOMER))

    house.assert_issued("1", "2")
    assert warnings(house, "2") == ["original_of_another_customer"]


def test_more_credited_than_billed_is_held_where_the_account_wants_that(house: House) -> None:
    house.rules = replace(house.rules, levels=levels_of({"credited_too_much": "block"}))
    original = invoice("1", line("100.00"))
    house.issue(original, credit_note("2", original, line("60.00")))
    house.issue(credit_note("3", original, line("60.00")))

    house.assert_issued("1", "2")
    assert state_of(house, "3") == (Status.HELD, "credited_too_much")
    assert house.job("3").details["credited"] == "145.20"


def test_the_others_are_judged_again_when_one_of_too_many_credit_notes_is_skipped(house: House) -> None:
    house.rules = replace(house.rules, levels=levels_of({"credited_too_much": "block"}))
    original = invoice("1", line("100.00"))
    house.issue(original)
    house.issue(credit_note("2", original, line("60.00")), credit_note("3", original, line("60.00")))
    assert state_of(house, "2") == state_of(house, "3") == (Status.HELD, "credited_too_much")

    assert house.ledger.actions.perform(SKIP, [house.job("3")], who="Ana", note="made by mistake")
    house.run()

    house.assert_issued("1", "2")


def test_what_a_debit_note_added_may_be_credited_too(house: House) -> None:
    original = invoice("1", line("100.00"))
    house.issue(original, replace(debit_note("4", original), number="D-4"))
    house.issue(credit_note("2", original, line("150.00")))

    house.assert_issued("1", "2", "4")
    assert warnings(house, "2") == []


# ---------------------------------------------------------------- debit notes


def test_a_spanish_debit_note_is_corrective_and_follows_its_original(house: House) -> None:
    original = invoice("1", buyer=WRONG)
    house.issue(original, debit_note("2", original, buyer=CUSTOMER))
    assert state_of(house, "2") == (Status.WAITING, "original_waiting")

    house.erp.alter("1", buyer=CUSTOMER)
    house.discover()
    house.drain()

    house.assert_issued("1", "2")
    [there] = house.remote_invoices("D-2")
    assert there.totals.total == Decimal("121.00")


def test_elsewhere_a_debit_note_stands_for_itself(house: House) -> None:
    original = settled_in(invoice("1", buyer=WRONG), "FR")
    house.issue(original, settled_in(replace(debit_note("2", original), buyer=CUSTOMER), "FR"))

    house.assert_issued("2")
    [there] = house.remote_invoices("D-2")
    assert there.fields["references"][0]["number"] == "F-1"
    assert not there.is_credit_note
