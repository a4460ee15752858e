"""What an operator and a person may decide about originals from elsewhere and documents that exist already."""

from __future__ import annotations

from tests.cli.shop import Shop

ADOPT = ('adapter = "sql"', 'adapter = "sql"\nexisting = "adopt"')
REFERENCE = ('adapter = "sql"', 'adapter = "sql"\nexternal_originals = "reference"')


def told(shop: Shop, number: str) -> tuple[str, str | None]:
    one = shop.run("explain", number, "--json").json
    return one["status"], one["reason"]


def reference_of(shop: Shop, number: str) -> dict[str, object]:
    [there] = [one for one in shop.world.invoices.values() if one.number == number]
    [reference] = there.fields["references"]
    return dict(reference)


def test_with_adopt_what_was_issued_by_hand_is_taken_over(shop: Shop) -> None:
    [there] = [one for one in shop.world.invoices.values() if one.number == "B-0109"]
    config = shop.changed(ADOPT)

    shop.run("sync", "--patience", "8", config=config)

    assert told(shop, "B-0109") == ("done", None)
    assert shop.erp("SELECT reference, project_xref FROM project WHERE id = 109") == [
        (str(there.id), f"b2brouter:simulator:1:{there.id}")
    ]
    assert [entry.operation for entry in shop.writes() if entry.number == "B-0109"] == []
    assert f"Others had made it at B2Brouter as {there.id}" in shop.run("explain", "B-0109").out


def test_with_reference_a_credit_note_of_an_old_invoice_goes_with_its_number_and_date(shop: Shop) -> None:
    config = shop.changed(REFERENCE)
    problems = shop.run("preview", "--json", config=config).json["problems"]
    assert "original_not_issued" not in {problem["reason"] for problem in problems}

    shop.run("sync", "--patience", "8", config=config)

    assert told(shop, "C-0105") == ("done", None)
    [[day]] = shop.erp("SELECT invoice_date FROM project WHERE id = 90")
    assert reference_of(shop, "C-0105") == {
        "reference_type": "amend",
        "number": "B-0090",
        "date": day,
        "reason": "R1",
    }
    shown = shop.run("explain", "C-0105").out
    assert f"The original invoice B-0090 of {day} was not issued here" in shown
    assert "B-0090 (key 90)" in shown


def test_a_person_may_release_one_credit_note_but_has_to_say_why(played: Shop) -> None:
    refused = played.run("release", "C-0105")
    assert refused.status == 2
    assert "C-0105 would go although its original invoice is not issued here: say why." in refused.err
    assert told(played, "C-0105") == ("held", "original_not_issued")
    assert played.run("release", "C-0105", "--dry-run").status == 0

    assert played.run("release", "C-0105", "--note", "the original was sent on paper").status == 0
    played.run("sync", "--patience", "8")

    assert told(played, "C-0105") == ("done", None)
    assert reference_of(played, "C-0105")["number"] == "B-0090"


def test_an_ordinary_release_needs_no_note(played: Shop) -> None:
    assert played.run("release", "B-0103").status == 0
