"""Every safeguard is missed when it is missing; nothing is found where none is."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant, findings


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_judge_notices_a_missing_safeguard(mutant: Mutant) -> None:
    [finding] = findings([mutant])
    assert finding.caught


@pytest.mark.slow
def test_the_judge_finds_nothing_in_the_product_as_it_is() -> None:
    [finding] = findings([None])
    assert finding.schedules > 200
    assert not finding.caught
