"""The list of jobs, and one job."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from connector.bootstrap import Services
from connector.domain import catalogue, content
from connector.domain.archive import Piece
from connector.domain.errors import ConnectorError, DocumentNotUsableError, StepError
from connector.domain.job import Stage, Status
from connector.domain.remote_state import STANDINGS
from connector.domain.wording import sentences
from connector.ledger.actions import ACTS
from connector.ledger.originals import GIVEN_UP
from connector.ledger.queries import Filter, Place
from connector.ledger.records import Job
from connector.operations.acts import fitting
from connector.operations.comparing import compared
from connector.operations.masking import masked
from connector.operations.timeline import attempt_of, says
from connector.web.console.filters import Chosen, FilterError
from connector.web.console.visit import Text, User, Visit, check_form, query_of

_PAGE: Final = 50


routes = APIRouter()


@routes.get("/jobs")
def list_(visit: User) -> Response:
    given = visit.request.query_params
    chosen = Chosen.of(given)
    try:
        wanted = chosen.filter(visit.ledger)
        after = _place(given.get("after", ""))
    except FilterError as error:
        return _list(visit, chosen, wrong=str(error), status=422)
    if chosen.q and chosen.facts().keys() == {"q"} and after is None:
        exact = visit.ledger.queries.find(chosen.q)
        if len(exact) == 1:
            return visit.go(f"/jobs/{exact[0].id}")
    page = visit.ledger.queries.page(wanted, after=after, limit=_PAGE)
    following = None if page.next is None else query_of({**chosen.facts(), "after": _shown(page.next)})
    return _list(visit, chosen, jobs=page.jobs, following=following, first=after is None, cut=wanted.cut)


def _list(visit: Visit, chosen: Chosen, *, status: int = 200, **facts: Any) -> Response:
    given = {"jobs": [], "following": None, "first": True, "cut": False, "wrong": None, **facts}
    return visit.page(
        "jobs.html",
        status=status,
        chosen=chosen,
        statuses=list(Status),
        stages=list(Stage),
        reasons=_titles(visit.language),
        states=list(STANDINGS),
        sources=list(visit.services.settings.sources),
        accounts=list(visit.services.settings.accounts),
        **given,
    )


def _titles(language: str) -> list[tuple[str, str]]:
    """Return the reasons, each with what its cases have in common, as people look for them."""
    titles = [(code, entry.title(language)) for code, entry in catalogue.reasons().items()]
    return sorted(titles, key=lambda one: one[1].casefold())


@routes.get("/jobs/{job_id}")
def one(visit: User, job_id: int) -> Response:
    job = _job(visit, job_id)
    if job is None:
        return visit.not_found()
    catalogue.speak(visit.language)
    events = visit.ledger.queries.timeline(job.id)
    told = [(event, says(event, attempt)) for event, attempt in zip(events, attempt_of(events), strict=True)]
    return visit.page(
        "job.html",
        job=job,
        stages=list(Stage),
        timeline=told,
        acts=fitting(job) if visit.may_act else [],
        seen=_seen(job),
        changes=content.told(job.details),
        links=_links(visit.services, job),
        files=_files(visit, job),
        done=visit.request.query_params.get("done"),
    )


@routes.get("/jobs/{job_id}/payload")
def payload(visit: User, job_id: int) -> Response:
    job = _job(visit, job_id)
    if job is None:
        return visit.not_found()
    text = masked(job.payload) if job.payload else None
    answers = [
        (event, json.dumps(event.details, ensure_ascii=False, indent=2))
        for event in visit.ledger.queries.timeline(job.id)
        if event.request_id or event.outcome or event.details
    ]
    return visit.page("payload.html", job=job, payload=text, answers=answers)


@routes.get("/jobs/{job_id}/files/{piece}")
def file(visit: User, job_id: int, piece: Piece) -> Response:
    """Hand out a file of the archive: to be kept, never to be shown as a page of ours.

    What was sent shows what our pages mask: it is for those who may act, and it is written down who took it.
    """
    from connector.archive.handing_out import hand_out
    from connector.archive.storage import ArchiveError

    job, storage = _job(visit, job_id), visit.services.storage
    if job is None or storage is None:
        return visit.not_found()
    if not _may_have(visit, piece):
        raise HTTPException(403)
    try:
        found = hand_out(visit.ledger, storage, job, piece)
    except ArchiveError as error:
        said = sentences(error.message, error.action)
        return visit.page("message.html", status=503, title=visit.t("archived_files"), message=said)
    if found is None:
        return visit.not_found()
    if piece is Piece.ORIGINAL:
        visit.ledger.deeds.write(visit.user, "take_original", job.number or f"id {job.id}", job_id=job.id)
    kept = {"Content-Disposition": f'attachment; filename="{found.name}"'}
    return Response(found.content, media_type="application/octet-stream", headers=kept)


def _files(visit: Visit, job: Job) -> list[Piece]:
    if visit.services.storage is None:
        return []
    from connector.archive.handing_out import kept

    return [piece for piece in kept(visit.ledger, job) if _may_have(visit, piece)]


def _may_have(visit: Visit, piece: Piece) -> bool:
    return visit.may_act or piece is not Piece.ORIGINAL


@routes.get("/jobs/{job_id}/totals")
def totals(visit: User, job_id: int) -> Response:
    job = _job(visit, job_id)
    if job is None:
        return visit.not_found()
    catalogue.speak(visit.language)
    try:
        return visit.page("totals.html", job=job, compared=compared(visit.services, job), fault=None)
    except (ConnectorError, DocumentNotUsableError, StepError) as error:
        return visit.page("totals.html", job=job, compared=None, fault=_sentence(error))


@routes.post("/jobs/{job_id}/{act}")
def act(visit: User, job_id: int, act: str, note: Text = "", seen: Text = "", form_key: Text = "") -> Response:
    """Do what was decided on the invoice as the page showed it, and on no other case that it became meanwhile.

    What a script posts, without what a page showed, is taken at its word.
    """
    check_form(visit, form_key)
    job, meant = _job(visit, job_id), ACTS.get(act)
    if job is None or meant is None:
        return visit.not_found()
    if seen and seen != _seen(job):
        return _done(visit, job, "left_alone")
    needs_note = meant.name in {"hold", "skip"} or (meant.name == "release" and job.reason in GIVEN_UP)
    if needs_note and not note.strip():
        return _done(visit, job, "note_missing")
    changed = visit.ledger.actions.perform(meant, [job], who=visit.user, note=note.strip())
    return _done(visit, job, meant.name if changed else "left_alone")


def _seen(job: Job) -> str:
    status, reason, at = job.seen
    return f"{status} {reason} {at.isoformat()}"


def _done(visit: Visit, job: Job, what: str) -> RedirectResponse:
    return visit.go(f"/jobs/{job.id}", done=what)


def _job(visit: Visit, job_id: int) -> Job | None:
    return next(iter(visit.ledger.queries.jobs(Filter(ids=[job_id]))), None) if 0 < job_id < 2**63 else None


def _links(services: Services, job: Job) -> dict[str, str]:
    """Return where the document can be looked at elsewhere, as the configuration says."""
    found = {}
    source = services.settings.sources.get(job.source)
    if source is not None and source.document_url:
        found["erp"] = source.document_url.replace("{key}", job.key).replace("{company}", job.company)
    account = services.settings.accounts.get(job.account)
    if account is not None and account.document_url and job.reference:
        found["b2brouter"] = account.document_url.replace("{reference}", job.reference)
    return found


def _sentence(error: Exception) -> str:
    if isinstance(error, ConnectorError):
        return sentences(error.message, error.action)
    assert isinstance(error, StepError)
    entry = catalogue.reason(error.reason)
    return sentences(entry.message(error.details), entry.advice(error.details))


def _place(text: str) -> Place | None:
    """Read where a page begins: an id, or a day and an id."""
    if not text:
        return None
    from datetime import date

    day, _, number = text.rpartition("_")
    try:
        place = Place(id=int(number), day=date.fromisoformat(day) if day else None)
    except ValueError:
        raise FilterError("after") from None
    if not 0 < place.id < 2**63:
        raise FilterError("after")
    return place


def _shown(place: Place) -> str:
    return f"{place.day.isoformat()}_{place.id}" if place.day else str(place.id)
