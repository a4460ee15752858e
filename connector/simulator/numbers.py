"""Invoice numbers: which are taken, and what comes next."""

import re
from datetime import date

from connector.simulator.codes import ISSUED_TYPES
from connector.simulator.documents import Invoice
from connector.simulator.world import World


def number_is_free(
    world: World,
    account_id: int,
    kind: str,
    series: str | None,
    number: str,
    issued: date,
    *,
    ignore: int = 0,
) -> bool:
    """Whether a document may have this number, under the scope that the switches choose.

    Issued documents only: received ones carry the numbers of others.
    """
    if kind not in ISSUED_TYPES:
        return True
    rivals = list(world.invoices_numbered.get((account_id, number), ()))
    if world.switches.deleted_numbers_stay_taken:
        rivals += [
            inv for inv in world.deleted_invoices.values() if (inv.account_id, inv.number) == (account_id, number)
        ]
    return not any(_clashes(world, rival, kind, series, issued) for rival in rivals if rival.id != ignore)


def next_number(world: World, account_id: int) -> str:
    """The number for a document that brings none: the latest one's last run of digits, plus one."""
    for invoice in reversed(world.invoices_of[account_id].values()):
        if invoice.type in ISSUED_TYPES:
            return _successor(invoice.number)
    return "1"


def _clashes(world: World, rival: Invoice, kind: str, series: str | None, issued: date) -> bool:
    scope = world.switches.number_scope
    if rival.type not in ISSUED_TYPES or (world.switches.number_per_type and rival.type != kind):
        return False
    if scope != "account" and (rival.series_code or None) != (series or None):
        return False
    return scope != "series_year" or rival.issue_date.year == issued.year


def _successor(number: str) -> str:
    runs = list(re.finditer(r"\d+", number))
    if not runs:
        return f"{number}1"
    digits = runs[-1]
    following = str(int(digits[0]) + 1).zfill(len(digits[0]))
    return number[: digits.start()] + following + number[digits.end() :]
