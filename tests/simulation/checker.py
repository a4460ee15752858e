"""The judge. It reads only the history: what B2Brouter stored and sent, what the ERP holds, what the ledger says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from connector.domain import catalogue
from connector.domain.identity import file_reference, xref
from connector.domain.job import MAKING, Stage, Status
from connector.ledger.records import Job
from tests.simulation.remote import ACCOUNT_ID, Document
from tests.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How often each promise was broken in one schedule. All zero: kept."""

    duplicates: int = 0  # documents beyond one that stood at B2Brouter together for one invoice
    double_sends: int = 0  # sends beyond one for one invoice
    lost: int = 0  # done, but not sent; or at B2Brouter, and nobody here knows of it
    wrong_reference: int = 0  # ERP or ledger point to another document
    wrong_content: int = 0  # sent with other figures than the ERP last showed
    stuck: int = 0  # came to no rest
    unexplained: int = 0  # held without a reason, or for a bug
    contacts_twice: int = 0
    files_twice: int = 0  # attachments beyond one of a name, on a document that was sent
    files_lost: int = 0  # attachments that a sent document should have and has not

    @property
    def kept(self) -> bool:
        return not any(getattr(self, field.name) for field in fields(self))

    @property
    def broken(self) -> tuple[str, ...]:
        return tuple(field.name for field in fields(self) if getattr(self, field.name))


TOLD = frozenset({"already_exists", "number_taken", "refused_by_b2brouter", "found_twice"})
"""Reasons that tell a person that the number stands at B2Brouter, where we cannot prove that it is ours."""


def judge(world: World) -> Verdict:
    """Judge a schedule that has come to its end."""
    server = world.server
    jobs = world.jobs
    by_mark = {file_reference(job.source, job.company, job.key): job for job in jobs}
    ours: dict[str, list[Document]] = {mark: [] for mark in by_mark}
    for document in server.documents.values():
        ours.setdefault(document.mark or "", []).append(document)
    return Verdict(
        duplicates=sum(most - 1 for most in server.at_once.values()),
        double_sends=sum(
            max(0, sum(len(document.sent_at) for document in documents) - 1) for documents in ours.values()
        ),
        lost=sum(_lost(world, job, ours[mark]) for mark, job in by_mark.items()),
        wrong_reference=sum(_wrong(world, job, ours[mark]) for mark, job in by_mark.items()),
        wrong_content=sum(document.stale for document in server.documents.values()),
        stuck=int(world.stuck or any(job.status in {Status.RUNNING, Status.PENDING} for job in jobs)),
        unexplained=sum(_unexplained(job) for job in [*jobs, *world.held]),
        contacts_twice=sum(most - 1 for most in server.contacts_at_once.values()),
        files_twice=sum(len(document.files) - len(set(document.files)) for document in _sent(world)),
        files_lost=sum(len(_names(document) - set(document.files)) for document in _sent(world)),
    )


def _sent(world: World) -> Sequence[Document]:
    return [document for document in world.server.documents.values() if document.sent_at]


def _names(document: Document) -> set[str]:
    return {file.name for file in document.invoice.attachments}


def _lost(world: World, job: Job, documents: Sequence[Document]) -> bool:
    if job.status is Status.DONE:
        sent = [document for document in documents if document.sent_at]
        return not sent or job.key not in world.erp.written
    return forgotten(job, documents)


def forgotten(job: Job, documents: Sequence[Document]) -> bool:
    """Whether a document of ours stands at B2Brouter that the ledger neither knows, nor asks, nor tells about."""
    if job.status is Status.HELD and job.reason in TOLD:
        return False
    live = {document.id for document in documents if document.deleted_at is None}
    return bool(live - {job.reference}) and job.open_effect not in MAKING


def _wrong(world: World, job: Job, documents: Sequence[Document]) -> bool:
    live = {document.id: document for document in documents if document.deleted_at is None}
    if job.stage.reached(Stage.CREATED) and job.reference not in live and job.reason != "remote_missing":
        return True
    written = world.erp.written.get(job.key)
    if written is None:
        return False
    reference, cross = written
    return (
        reference != job.reference
        or reference not in live
        or not live[reference].sent_at
        or cross != xref("simulator", ACCOUNT_ID, reference)
    )


def _unexplained(job: Job) -> bool:
    if job.status not in {Status.HELD, Status.WAITING}:
        return False
    return job.reason is None or job.reason == "bug" or job.reason not in catalogue.reasons()
