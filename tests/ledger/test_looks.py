"""The ledger knows when each ERP was last looked into, however that ended."""

from __future__ import annotations

from connector.ledger import Ledger
from connector.ledger.looks import LastLook, look_office


def test_a_look_is_over_when_its_office_is_left_and_a_failed_one_says_when_the_last_succeeded(ledger: Ledger) -> None:
    clock = ledger.database.clock
    assert ledger.looks.last() == {}
    with ledger.offices.alone(look_office("erp"), seconds=300) as ours:
        assert ours()
        assert ledger.looks.last() == {}
        ledger.intake.remember("erp", discovered_at=(succeeded := clock.now()))
    first = ledger.looks.last()["erp"]
    assert first.succeeded_at == succeeded
    assert first.at >= succeeded

    with ledger.offices.alone(look_office("erp"), seconds=300) as ours:
        assert ours()
    again = ledger.looks.last(["erp", "another"])["erp"]
    assert again == LastLook(ended_at=again.ended_at, succeeded_at=succeeded)
    assert again.at >= first.at
    assert ledger.looks.last(["another"]) == {}
    assert ledger.offices.held_until(look_office("erp")) is None


def test_of_a_look_by_a_version_that_kept_no_end_the_success_is_known(ledger: Ledger) -> None:
    at = ledger.database.clock.now()
    ledger.intake.remember("erp", discovered_at=at)
    assert ledger.looks.last()["erp"].at == at
