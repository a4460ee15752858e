"""A file that a person must look at is put where such files are, where the ERP is a folder.

It follows what the ledger says already, and the document can still be read there: should it fail, nothing is lost.
"""

from __future__ import annotations

import logging

from connector.domain.errors import ConnectorError
from connector.domain.job import Stage, Status
from connector.ports import HoldsFiles
from connector.steps.case import Case

log = logging.getLogger(__name__)


def set_aside(case: Case) -> None:
    """Put the file of a held job aside, unless the document has been sent, or may have been."""
    job, adapter = case.job, case.adapter
    early = not job.stage.reached(Stage.SENT) and job.open_effect is None
    if not isinstance(adapter, HoldsFiles) or job.status is not Status.HELD or not early:
        return
    try:
        adapter.set_aside(job.key, "\n".join(filter(None, (job.message, job.cure))))
    except ConnectorError as error:
        log.warning("job %s: its file could not be put aside: %s", job.id, error.message)
