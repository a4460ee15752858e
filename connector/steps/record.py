"""Reference and xref into the ERP: both or neither, repeated alone, never with a new send."""

from __future__ import annotations

from typing import Any

from connector.crashpoints import crashpoint
from connector.domain.errors import (
    NotSentError,
    RefusedError,
    SchemaChangedError,
    SourceNotPermittedError,
    SourceUnavailableError,
    UsageError,
    WriteBackRefusedError,
)
from connector.domain.identity import xref
from connector.domain.job import Effect, Stage
from connector.domain.remote_state import case_of
from connector.ledger.records import OFF, WRITE_BACK, Entry
from connector.ports import Adapter, ReadsRecorded
from connector.steps.case import Case


def record(case: Case) -> None:
    """Write back. It needs no intent: writing the same again changes nothing.

    Raises:
        NotSentError: the ERP cannot be reached.
        RefusedError: it holds another reference, or a table, column or right is missing.
    """
    reference = case.job.reference or ""
    cross = xref(case.remote.environment, case.remote.account_id, reference)
    crashpoint(Effect.RECORD, "before_write")
    try:
        with case.asking_erp():
            case.adapter.record(case.job.key, reference, cross)
    except SourceUnavailableError as error:
        raise NotSentError("erp_unavailable", {"message": error.message}, outage=error.down) from error
    except WriteBackRefusedError as error:
        facts = {"reference": reference, "message": error.message}
        raise RefusedError("erp_reference_differs", facts) from error
    except (SchemaChangedError, SourceNotPermittedError, UsageError) as error:
        raise RefusedError("erp_write_refused", {"message": error.message}) from error
    crashpoint(Effect.RECORD, "after_write")
    facts = {"reference": reference, **({} if _writes(case.adapter) else {WRITE_BACK: OFF})}
    entry = Entry(what="reached", effect=Effect.RECORD, outcome="done", details=facts)
    case.advance(Stage.RECORDED, entry=entry, xref=cross, **_fate(case))


def _writes(adapter: Adapter) -> bool:
    """Whether anything was written into the ERP, as far as the adapter can tell: not where write-back is off."""
    return not isinstance(adapter, ReadsRecorded) or adapter.reads_recorded()


def _fate(case: Case) -> dict[str, Any]:
    """What was learnt of the delivery while the write-back was held: it may need a person already."""
    needs = case_of(case.job.remote_state, case.job.reference, case.job.state_note)
    return {"reason": needs[0], "details": needs[1]} if needs else {}
