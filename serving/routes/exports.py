"""Audiences: columns, previews, files, and who is to be left alone."""

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import FileResponse
from starlette.status import HTTP_202_ACCEPTED, HTTP_304_NOT_MODIFIED

from serving.access import MayAdminister, MayExport
from serving.contract import problems
from serving.dependencies import InOffice
from serving.exporting import ENDED, ExportDesk, Request
from serving.schemas.exports import (
    ColumnDescribed,
    ColumnsResponse,
    ExpectedOutcome,
    ExportResponse,
    ExportsResponse,
    PreviewResponse,
    SuppressionRequest,
    SuppressionResponse,
)
from uplift.audience.dictionary import data_dictionary
from uplift.config import Order

router = APIRouter(prefix="/v1", tags=["audiences"])

WaitSeconds = Annotated[float, Query(ge=0.0, le=30.0, description="For a file that is soon done.")]


@router.get("/columns")
async def columns(office: InOffice, _: MayExport) -> ColumnsResponse:
    """Every column that can be chosen, or restricted under `where`."""
    types = await asyncio.to_thread(office.exports.columns)
    meanings = data_dictionary(list(types), office.desk.service.model.arms)
    return ColumnsResponse(
        columns=[
            ColumnDescribed(name=name, type=kind, meaning=meanings[name])
            for name, kind in types.items()
        ]
    )


@router.post("/audiences/preview", responses=problems(400, 415, 422))
async def preview(order: Order, office: InOffice, _: MayExport) -> PreviewResponse:
    """How many customers an order holds, and what they should bring. Nothing is written."""
    found = await asyncio.to_thread(office.exports.preview, order)
    return PreviewResponse(
        run_id=office.desk.service.run_id,
        customers=found.customers,
        as_decided=ExpectedOutcome(**vars(found.as_decided)),
        with_best_coupon=ExpectedOutcome(**vars(found.with_best_coupon)),
        overlap=found.overlap,
    )


@router.post("/exports", responses={202: {"model": ExportResponse}, **problems(400, 415, 422)})
async def ask(
    order: Order,
    office: InOffice,
    owner: MayExport,
    response: Response,
    wait_seconds: WaitSeconds = 0.0,
) -> ExportResponse:
    """Have a file written. 202 while it is under way; ask for it by its id until it is done."""
    desk = office.exports
    request = await asyncio.to_thread(desk.ask, order, owner=owner)
    if wait_seconds:
        await asyncio.to_thread(desk.wait, request.id, seconds=wait_seconds)
    found = desk.find(request.id, owner=owner)
    if found.state not in ENDED:
        response.status_code = HTTP_202_ACCEPTED
    response.headers["location"] = f"/v1/exports/{request.id}"
    return _described(desk, found)


@router.get("/exports")
async def all_exports(office: InOffice, owner: MayExport) -> ExportsResponse:
    """Every export that this key has asked for, the newest first."""
    found = await asyncio.to_thread(office.exports.all_of, owner)
    return ExportsResponse(exports=[_described(office.exports, request) for request in found])


@router.get("/exports/{export_id}", responses=problems(404, 422))
async def one(export_id: str, office: InOffice, owner: MayExport) -> ExportResponse:
    """What became of an export."""
    return _described(office.exports, office.exports.find(export_id, owner=owner))


@router.delete("/exports/{export_id}", responses=problems(404, 422))
async def cancel(export_id: str, office: InOffice, owner: MayExport) -> ExportResponse:
    """Stop an export that is under way; one that has ended is left as it is."""
    found = await asyncio.to_thread(office.exports.cancel, export_id, owner=owner)
    return _described(office.exports, found)


@router.get(
    "/exports/{export_id}/file",
    response_class=FileResponse,
    responses={206: {"description": "Part of the file"}, 304: {}, **problems(404, 422)},
)
async def file(
    export_id: str,
    office: InOffice,
    owner: MayExport,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The file. Its ETag is its SHA-256; a broken download goes on with `Range` and `If-Range`."""
    written = office.exports.written(office.exports.find(export_id, owner=owner))
    document = json.loads(written.manifest.read_text(encoding="utf-8"))
    etag = f'"{document["sha256"]}"'
    if etag in (part.strip() for part in if_none_match.split(",")):
        return Response(status_code=HTTP_304_NOT_MODIFIED, headers={"etag": etag})
    office.exports.record("export.downloaded", by=owner or "no key", export_id=written.export_id)
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    return FileResponse(written.file, filename=written.file.name, headers=headers)


@router.get("/exports/{export_id}/manifest", responses=problems(404, 422))
async def manifest(export_id: str, office: InOffice, owner: MayExport) -> dict[str, object]:
    """Where the file comes from: order, run, versions, counts, checksum, who and when."""
    written = office.exports.written(office.exports.find(export_id, owner=owner))
    found: dict[str, object] = json.loads(written.manifest.read_text(encoding="utf-8"))
    return found


@router.post("/suppressions", responses=problems(400, 415, 422))
async def suppress(
    request: SuppressionRequest, office: InOffice, owner: MayAdminister
) -> SuppressionResponse:
    """Leave customers alone from now on, in decisions and in files; or lift that again."""
    changed = await asyncio.to_thread(
        office.suppress, request.unit_ids, request.action, request.reason
    )
    office.exports.record(
        f"customers.{request.action}", by=owner or "no key", customers=len(request.unit_ids)
    )
    return SuppressionResponse(changed=changed)


def _described(desk: ExportDesk, request: Request) -> ExportResponse:
    document: dict[str, object] = {}
    if request.state == "done":
        document = json.loads(desk.written(request).manifest.read_text(encoding="utf-8"))
    return ExportResponse.model_validate(
        {
            "id": request.id,
            "state": request.state,
            "progress": desk.progress(request),
            "asked_at": request.asked_at,
            "order": request.order,
            "problem": request.problem,
            "export_id": request.export_id,
            "file": f"/v1/exports/{request.id}/file" if document else None,
            **{key: document.get(key) for key in ("rows", "bytes", "sha256", "run_id")},
        }
    )
