"""Why B2Brouter's totals are not the ERP's: the facts of `totals_differ`, for those who read it and for its cure."""

from __future__ import annotations

from decimal import Decimal

from connector.domain.comparison import RemoteFigures, excess
from connector.domain.errors import StepError
from connector.domain.rounding import NO_SETTING, NOTHING, Sheet, Way, explain
from connector.ledger.accounts import Accounts
from connector.ports import Remote
from connector.steps.case import Case

_AS_IN_THE_FILE = "the file's own figures"
_IN_THE_FILE = "correct the file"


def explain_totals(case: Case, there: RemoteFigures) -> dict[str, str]:
    """Say which setting of the account would remove the difference, which line carries it, and how much it is.

    Figures of an imported file are taken as they are, by no setting.
    """
    gap = excess(case.invoice, there)
    facts = {} if gap is None else {"excess": f"{gap:f}"}
    if case.invoice.file_digest is not None:
        return {**facts, "line": NOTHING, "used": _AS_IN_THE_FILE, "change": _IN_THE_FILE}
    sheet = case.remote.sheet(case.invoice)
    explained = explain(case.invoice, sheet, _arithmetic(case)).facts()
    if explained["change"] == NO_SETTING and gap is not None and gap <= _rounding(sheet):
        explained["change"] = f"allow_difference = {gap:f}"
    return {**facts, **explained}


def ask_arithmetic(remote: Remote, accounts: Accounts, account: str) -> Way | None:
    """Ask how an account calculates now, and remember it; None where the answer does not come, or does not say."""
    try:
        way = remote.read_account().arithmetic
    except StepError:  # an explanation is not worth a failure
        return None
    accounts.learn(account, way)
    return way


def _arithmetic(case: Case) -> Way | None:
    """How the account calculates: asked anew, for somebody may have changed it; else as it was last seen."""
    accounts, account = case.ledger.accounts, case.job.account
    now = ask_arithmetic(case.remote, accounts, account)
    if now is not None:
        return now
    state = accounts.get(account)
    return state.arithmetic if state else None


def _rounding(sheet: Sheet) -> Decimal:
    """The most that rounding may make: one of the currency's smallest unit for each line."""
    return max(len(sheet.rows), 1) * Decimal(1).scaleb(-sheet.digits)
