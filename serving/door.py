"""What every request passes: its id, its place among the others, its size, its time, its count.

One layer around the app, not five: each costs a request more than deciding on a small model does.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import REQUEST_ID, busy
from serving.metrics import Metrics
from uplift.config.serving import RequestLimits
from uplift.logs import event

_LOG = logging.getLogger(__name__)
_HEADER = b"x-request-id"
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_UNMEASURED = "(none)"  # no label may hold what a caller made up
_ALWAYS_OPEN = ("/health/", "/metrics")
_BATCHES = frozenset({"/v1/decisions/batch", "/v1/uplift"})
_PROBE_SECONDS = 0.02


class Traffic:
    """How many requests there are, and how far the event loop is behind."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.lag_ms = 0.0

    async def watch(self) -> None:
        """Measure until cancelled: a loop that is busy wakes this late.

        The better of two looks in a row counts: one large batch is no overload.
        """
        clock, before = asyncio.get_running_loop().time, 0.0
        while True:
            asked = clock()
            await asyncio.sleep(_PROBE_SECONDS)
            late = 1000.0 * max(0.0, clock() - asked - _PROBE_SECONDS)
            self.lag_ms, before = min(late, before), late


class Door:
    """The outermost layer of the app.

    Args:
        app: What is behind it.
        limits: What requests may take.
        traffic: Shared with whoever measures the event loop.
        metrics: Told of every request.
        log_requests: Whether each request is a line in the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: RequestLimits,
        traffic: Traffic,
        metrics: Metrics,
        log_requests: bool,
    ) -> None:
        self._app, self._limits, self._traffic = app, limits, traffic
        self._metrics, self._log_requests = metrics, log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or send it away."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), int(HTTPStatus.INTERNAL_SERVER_ERROR)
        request_id = _request_id(scope["headers"])
        scope[REQUEST_ID] = request_id
        traffic, limits = self._traffic, self._limits

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_HEADER, request_id.encode())]
            await send(message)

        is_open = scope["path"].startswith(_ALWAYS_OPEN)
        if not is_open and (
            traffic.in_flight >= limits.in_flight or traffic.lag_ms > limits.lag_ms
        ):
            self._metrics.shed.inc()
            detail = "The service has more requests than it can answer in time; come again."
            await busy(scope, detail)(scope, receive, send_marked)
            return
        traffic.in_flight += 1
        try:
            await self._app(scope, _bounded(receive, scope["path"], limits), send_marked)
        finally:
            traffic.in_flight -= 1
            self._note(scope, request_id, status, time.perf_counter() - start)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", _UNMEASURED)
        self._metrics.seconds.labels(route, str(status)).observe(seconds)
        if self._log_requests and not scope["path"].startswith(_ALWAYS_OPEN):
            event(
                _LOG,
                "request.answered",
                request_id=request_id,
                method=scope["method"],
                route=route,
                status=status,
                duration_ms=round(1000.0 * seconds, 3),
            )


def _bounded(receive: Receive, path: str, limits: RequestLimits) -> Receive:
    """Stop reading a body that is too long, whatever length it announced, or too slow."""
    most = limits.batch_body_bytes if path in _BATCHES else limits.body_bytes
    n_bytes, is_whole = 0, False
    deadline = time.monotonic() + limits.body_seconds

    async def receive_bounded() -> Message:
        nonlocal n_bytes, is_whole
        if is_whole:  # what comes now is the end of the connection: no hurry
            return await receive()
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                message = await receive()
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
        n_bytes += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if n_bytes > most:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return receive_bounded


def _request_id(headers: list[tuple[bytes, bytes]]) -> str:
    given: Mapping[bytes, bytes] = dict(headers)
    found = given.get(_HEADER, b"")
    return found.decode() if _GIVEN_ID.fullmatch(found) else uuid.uuid4().hex
