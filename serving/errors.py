"""Every answer that is no success is a problem document (RFC 9457), whoever raised what.

A problem says what is wrong with the request. It never holds a traceback, a path of the server, or
the value of a feature.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from serving.exporting import AudienceError, QueueFullError, UnknownExportError
from serving.schemas.common import Fault, Problem
from serving.values import (
    FeatureError,
    RequestIdReusedError,
    UnknownArmError,
    UnknownCampaignError,
    UnknownCustomerError,
)
from uplift.errors import ModelNotReadyError, UpliftError
from uplift.logs import event

_LOG = logging.getLogger(__name__)
_OWN_TYPES = "urn:uplift:problem:"
REQUEST_ID = "uplift.request_id"  # in the scope of a request


class ProblemResponse(JSONResponse):
    """A problem document with its media type."""

    media_type = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """How an error answers. ``says_why``: its message is about the request, and fit for callers."""

    status: HTTPStatus
    code: str
    title: str
    says_why: bool = True


class KeyMissingError(UpliftError):
    """A request shows no key, or one that is worth nothing."""


class ScopeError(UpliftError):
    """A key may not do what is asked."""


class RateError(UpliftError):
    """A key asks too often.

    Args:
        seconds: Until it may ask again.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"this key asks too often; come again in {seconds:.3g} seconds.")
        self.seconds = seconds


_UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY
NOT_READY = Kind(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", "Not ready to decide", False)
BUSY = Kind(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "Too many requests at once")
_INTERNAL = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service failed", False)
KINDS: Mapping[type[Exception], Kind] = {
    UnknownCampaignError: Kind(HTTPStatus.NOT_FOUND, "unknown-campaign", "Unknown campaign"),
    UnknownCustomerError: Kind(HTTPStatus.NOT_FOUND, "unknown-customer", "Unknown customer"),
    UnknownArmError: Kind(_UNPROCESSABLE, "unknown-coupon", "Unknown coupon"),
    FeatureError: Kind(_UNPROCESSABLE, "feature", "A feature does not fit the model"),
    RequestIdReusedError: Kind(
        HTTPStatus.CONFLICT, "request-id-reused", "The request id belongs to another request"
    ),
    AudienceError: Kind(_UNPROCESSABLE, "audience", "The audience makes no sense"),
    UnknownExportError: Kind(HTTPStatus.NOT_FOUND, "unknown-export", "Unknown export"),
    QueueFullError: BUSY,
    KeyMissingError: Kind(HTTPStatus.UNAUTHORIZED, "no-key", "A key is needed"),
    ScopeError: Kind(HTTPStatus.FORBIDDEN, "scope", "The key may not do this"),
    RateError: Kind(HTTPStatus.TOO_MANY_REQUESTS, "rate", "The key asks too often"),
    ModelNotReadyError: NOT_READY,
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
    return _respond(_of_kind(request.scope, NOT_READY))


def busy(scope: Scope, detail: str) -> ProblemResponse:
    """The answer to who shall come again."""
    return _respond(_of_kind(scope, BUSY, detail=detail), {"retry-after": "1"})


def problem_of(request: Request, error: UpliftError) -> Problem:
    """The problem of one item among many, as a request of its own would have got it."""
    kind = _kind_of(error)
    return _of_kind(request.scope, kind, detail=str(error) if kind.says_why else None)


def problem_of_item(request: Request, error: ValidationError) -> Problem:
    """The problem of an item that is not what the endpoint takes."""
    return _invalid(request.scope, error.errors(include_url=False), start=0)


async def _answer_error(request: Request, error: Exception) -> ProblemResponse:
    kind = _kind_of(error)
    if isinstance(error, UpliftError) and not kind.says_why:  # the server logs all others
        event(_LOG, "request.failed", level=logging.ERROR, error=str(error))
    headers: dict[str, str] = {}
    if isinstance(error, RateError):
        headers["retry-after"] = str(math.ceil(error.seconds))
    if isinstance(error, KeyMissingError):
        headers["www-authenticate"] = "Bearer"
    detail = str(error) if kind.says_why else None
    return _respond(_of_kind(request.scope, kind, detail=detail), headers)


async def _answer_http(request: Request, error: Exception) -> ProblemResponse:
    """Routing and body limits: 404, 405, 408, 413."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    found = _problem(
        request.scope,
        Kind(status, status.phrase.lower().replace(" ", "-"), status.phrase),
        detail=f"{request.method} {request.url.path}: {status.description or status.phrase}",
    )
    return _respond(found, error.headers)


async def _answer_invalid(request: Request, error: Exception) -> ProblemResponse:
    """The body is not JSON, or not what the endpoint takes."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if request.method == "POST" and not _is_json(request.headers.get("content-type", "")):
        kind = Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json", "The body must be JSON")
        detail = "Send the body with the header `content-type: application/json`."
        return _respond(_problem(request.scope, kind, detail=detail))
    if any(item["type"] == "json_invalid" for item in found):
        kind = Kind(HTTPStatus.BAD_REQUEST, "malformed", "The body is no JSON")
        detail = f"{found[0]['ctx']['error']} at character {found[0]['loc'][-1]}."
        return _respond(_problem(request.scope, kind, detail=detail))
    return _respond(_invalid(request.scope, found, start=1))


def _invalid(scope: Scope, found: Sequence[Any], *, start: int) -> Problem:
    faults = [
        Fault(pointer=_pointer(item["loc"][start:]), code=item["type"], message=item["msg"])
        for item in found
    ]
    return _problem(
        scope,
        Kind(_UNPROCESSABLE, "invalid", "The request is not valid"),
        detail="; ".join(f"{fault.pointer or 'the body'}: {fault.message}" for fault in faults),
        errors=faults,
    )


def _kind_of(error: Exception) -> Kind:
    return next(KINDS[known] for known in type(error).__mro__ if known in KINDS)


def _of_kind(scope: Scope, kind: Kind, *, detail: str | None = None) -> Problem:
    return _problem(scope, kind, detail=detail or "The cause stands in the log of the service.")


def _problem(scope: Scope, kind: Kind, *, detail: str, errors: Sequence[Fault] = ()) -> Problem:
    return Problem(
        type=_OWN_TYPES + kind.code,
        code=kind.code,
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=scope["path"],
        request_id=scope.get(REQUEST_ID, ""),
        errors=list(errors),
    )


def _respond(problem: Problem, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    return ProblemResponse(problem.model_dump(), status_code=problem.status, headers=headers)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _pointer(location: Sequence[int | str]) -> str:
    """RFC 6901."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part}" for part in parts)
