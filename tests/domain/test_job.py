"""The table of transitions: each pair of status and event, and nothing besides."""

from __future__ import annotations

import pytest

from connector.domain.job import Event, Stage, Status, allows, next_status

WANTED = """
           leased  moved   arrived postponed blocked stuck returned lease_lapsed released held skipped
pending    running -       -       -         -       -     -        -            pending  held skipped
running    -       running done    pending   waiting held  pending  pending      -        -    -
waiting    -       -       -       -         -       -     -        -            pending  held skipped
held       -       -       -       -         -       -     -        -            pending  -    skipped
done       -       -       -       -         -       -     -        -            -        -    -
skipped    -       -       -       -         -       -     -        -            pending  -    -
"""


def cells() -> list[tuple[Status, Event, Status | None]]:
    head, *lines = WANTED.strip().splitlines()
    events = [Event(name) for name in head.split()]
    return [
        (Status(name), event, None if cell == "-" else Status(cell))
        for name, *row in map(str.split, lines)
        for event, cell in zip(events, row, strict=True)
    ]


def test_the_table_above_is_complete() -> None:
    assert {(status, event) for status, event, _ in cells()} == {(s, e) for s in Status for e in Event}


@pytest.mark.parametrize(("status", "event", "after"), cells())
def test_a_status_and_an_event_lead_to_one_status_or_are_a_bug(
    status: Status, event: Event, after: Status | None
) -> None:
    assert allows(status, event) is (after is not None)
    if after is None:
        with pytest.raises(KeyError):
            next_status(status, event)
    else:
        assert next_status(status, event) is after


def test_stages_grow_in_the_order_of_the_way() -> None:
    order = ["found", "contact_ready", "created", "verified", "sent", "recorded"]

    assert [str(stage) for stage in sorted(Stage, key=lambda stage: stage.rank)] == order
    assert Stage.SENT.reached(Stage.SENT)
    assert Stage.SENT.reached(Stage.CREATED)
    assert not Stage.CREATED.reached(Stage.SENT)


def test_nothing_leads_out_of_done() -> None:
    assert not any(allows(Status.DONE, event) for event in Event)
