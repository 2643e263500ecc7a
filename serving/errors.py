"""Every answer that is no success is a problem document (RFC 9457), whoever raised what.

A problem says what is wrong with the request. It never holds a traceback, a path of the server, or
the value of a feature.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from serving.schemas import Fault, Problem
from serving.service import FeatureError, UnknownCampaignError
from uplift.errors import ModelNotReadyError, UpliftError
from uplift.logs import event

_LOG = logging.getLogger(__name__)
_OWN_TYPES = "urn:uplift:problem:"


class ProblemResponse(JSONResponse):
    """A problem document with its media type."""

    media_type = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """How an error answers. ``says_why``: its message is about the request, and fit for callers."""

    status: HTTPStatus
    name: str
    title: str
    says_why: bool


_NOT_READY = Kind(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", "Not ready to decide", False)
_INTERNAL = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service failed", False)
KINDS: Mapping[type[Exception], Kind] = {
    UnknownCampaignError: Kind(
        HTTPStatus.NOT_FOUND, "unknown-campaign", "Unknown campaign", says_why=True
    ),
    FeatureError: Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "feature",
        "A feature does not fit the model",
        says_why=True,
    ),
    ModelNotReadyError: _NOT_READY,
    UpliftError: _INTERNAL,
    Exception: _INTERNAL,
}


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    for error in (UpliftError, Exception):
        app.add_exception_handler(error, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)


def not_ready(request: Request) -> ProblemResponse:
    """The answer while a part that decisions need does not work."""
    return _of_kind(request, _NOT_READY)


async def _answer_error(request: Request, error: Exception) -> ProblemResponse:
    kind = next(KINDS[known] for known in type(error).__mro__ if known in KINDS)
    if isinstance(error, UpliftError) and not kind.says_why:  # the server logs all others
        event(_LOG, "request.failed", level=logging.ERROR, error=str(error))
    return _of_kind(request, kind, detail=str(error) if kind.says_why else None)


async def _answer_http(request: Request, error: Exception) -> ProblemResponse:
    """Routing and body limits: 404, 405, 413."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    return _problem(
        request,
        status,
        kind="about:blank",
        title=status.phrase,
        detail=f"{request.method} {request.url.path}: {status.description or status.phrase}",
        headers=error.headers,
    )


async def _answer_invalid(request: Request, error: Exception) -> ProblemResponse:
    """The body is not JSON, or not what the endpoint takes."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if not _is_json(request.headers.get("content-type", "")):
        return _problem(
            request,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            kind=_OWN_TYPES + "not-json",
            title="The body must be JSON",
            detail="Send the body with the header `content-type: application/json`.",
        )
    if any(item["type"] == "json_invalid" for item in found):
        return _problem(
            request,
            HTTPStatus.BAD_REQUEST,
            kind=_OWN_TYPES + "malformed",
            title="The body is no JSON",
            detail=f"{found[0]['ctx']['error']} at character {found[0]['loc'][-1]}.",
        )
    faults = [
        Fault(pointer=_pointer(item["loc"]), code=item["type"], message=item["msg"])
        for item in found
    ]
    return _problem(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        kind=_OWN_TYPES + "invalid",
        title="The request is not valid",
        detail="; ".join(f"{fault.pointer or 'the body'}: {fault.message}" for fault in faults),
        errors=faults,
    )


def _of_kind(request: Request, kind: Kind, *, detail: str | None = None) -> ProblemResponse:
    return _problem(
        request,
        kind.status,
        kind=_OWN_TYPES + kind.name,
        title=kind.title,
        detail=detail or "The cause stands in the log of the service.",
    )


def _problem(
    request: Request,
    status: HTTPStatus,
    *,
    kind: str,
    title: str,
    detail: str,
    errors: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    document = Problem(
        type=kind,
        title=title,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=errors or [],
    )
    return ProblemResponse(document.model_dump(), status_code=status, headers=headers)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _pointer(location: tuple[int | str, ...]) -> str:
    """RFC 6901, from the body on."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location[1:])
    return "".join(f"/{part}" for part in parts)
