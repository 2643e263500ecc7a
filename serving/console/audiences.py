"""The page where an audience is cut, what it would bring, and the files so far."""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.datastructures import FormData, QueryParams
from starlette.responses import FileResponse, RedirectResponse, Response

from serving.console.forms import FORMATS, faults, order_of
from serving.console.visit import RefusedError, Sending, Visit, Visiting
from serving.exporting import AudienceError, QueueFullError, UnknownExportError
from serving.exporting import Request as Export
from uplift.audience.outlook import Outlook
from uplift.policy.evidence import EVIDENCE
from uplift.policy.segments import SEGMENTS

_SHOWN = 20

router = APIRouter(prefix="/audience")


@router.get("")
async def audience(request: Request, visit: Visiting) -> Response:
    """A filter, what it would bring, and the files so far."""
    found, problems = await _previewed(request.query_params, visit)
    if request.query_params.get("part") == "preview":
        return visit.page("audience_preview.html", outlook=found, problems=problems)
    return await _page(visit, request.query_params, found, problems)


@router.post("")
async def write_file(request: Request, visit: Sending) -> Response:
    """Have the file written; a form that makes no sense comes back with what is wrong."""
    form = await request.form()
    try:
        await asyncio.to_thread(visit.office.exports.ask, order_of(form), owner=visit.owner)
    except ValidationError as error:
        return await _page(visit, form, None, faults(error), status=422)
    except AudienceError as error:
        return await _page(visit, form, None, [str(error)], status=422)
    except QueueFullError as error:
        return await _page(visit, form, None, [str(error)], status=503)
    return RedirectResponse("/console/audience#files", status_code=303)


@router.get("/files")
async def files(visit: Visiting) -> Response:
    """The files so far, to be looked at again and again while one is written."""
    return visit.page("audience_files.html", exports=_with_progress(visit, await _exports(visit)))


@router.post("/files/{request_id}/cancel")
async def cancel(request_id: str, visit: Sending) -> Response:
    """Stop a file that is being written."""
    try:
        await asyncio.to_thread(visit.office.exports.cancel, request_id, owner=visit.owner)
    except UnknownExportError as error:
        raise RefusedError(visit, 404, str(error)) from error
    return RedirectResponse("/console/audience#files", status_code=303)


@router.get("/files/{request_id}")
async def download(request_id: str, visit: Visiting) -> Response:
    """A file."""
    exports = visit.office.exports
    try:
        written = exports.written(exports.find(request_id, owner=visit.owner))
    except UnknownExportError as error:
        raise RefusedError(visit, 404, str(error)) from error
    exports.record("export.downloaded", by=visit.owner or "no key", export_id=written.export_id)
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return FileResponse(written.file, filename=written.file.name, headers=headers)


async def _page(
    visit: Visit,
    form: QueryParams | FormData,
    outlook: Outlook | None,
    problems: Sequence[str],
    *,
    status: int = 200,
) -> Response:
    exports = await _exports(visit)
    earlier = (str(one.export_id) for one in exports if one.state == "done")
    return visit.page(
        "audience.html",
        status=status,
        outlook=outlook,
        problems=problems,
        segments=SEGMENTS,
        evidence=EVIDENCE,
        coupons=visit.office.desk.service.model.arms.treatments,
        formats=FORMATS,
        exports=_with_progress(visit, exports),
        earlier=list(dict.fromkeys(earlier))[:_SHOWN],
        form=form,
    )


async def _exports(visit: Visit) -> Sequence[Export]:
    return await asyncio.to_thread(visit.office.exports.all_of, visit.owner)


def _with_progress(visit: Visit, exports: Sequence[Export]) -> list[tuple[Export, float]]:
    return [(one, visit.office.exports.progress(one)) for one in exports[:_SHOWN]]


async def _previewed(form: QueryParams, visit: Visit) -> tuple[Outlook | None, list[Any]]:
    try:
        order = order_of(form)
        return await asyncio.to_thread(visit.office.exports.preview, order), []
    except ValidationError as error:
        return None, faults(error)
    except AudienceError as error:
        return None, [str(error)]
