"""Audience files on request: written beside the requests, one at a time, and looked up by id.

    exports/requests/<id>.json   who asked for what, and what became of it
    exports/<export_id>/         the file (``uplift.audience.shelf``)

What was under way when a process ended is found as ``lost`` afterwards, and can be asked for anew.
"""

import contextlib
import os
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import TypeAdapter

from uplift.audience import audit
from uplift.audience.export import AUDIT, ExportStoppedError, preview, write_export
from uplift.audience.outlook import Outlook, strong_evidence
from uplift.audience.shelf import Written, exports_in, read_export
from uplift.audience.source import (
    Connection,
    Source,
    column_types,
    opened,
    progress_of,
    stop_query,
)
from uplift.config import Export as Rules
from uplift.config import Order
from uplift.errors import ContractError, UpliftError
from uplift.workspace import write_document

_REQUESTS = "requests"
State: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled", "lost"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled", "lost")


class AudienceError(UpliftError):
    """An audience or an export that was asked for makes no sense."""


class UnknownExportError(UpliftError):
    """There is no such export, or it is another key's."""


class QueueFullError(UpliftError):
    """Too many exports wait already."""


@dataclass(frozen=True)
class Request:
    """An export that was asked for.

    Attributes:
        id: Random, so that nobody guesses another's.
        owner: Key that asked; empty where no key is needed.
        asked_at: ISO 8601.
        order: What is to be written.
        state: What became of it.
        export_id: Where the file stands, once it does.
        problem: Why it failed.
        process: Which process carries it out.
    """

    id: str
    owner: str
    asked_at: str
    order: dict[str, object]
    state: State = "queued"
    export_id: str | None = None
    problem: str | None = None
    process: int = 0


_REQUEST = TypeAdapter(Request)


class ExportDesk:
    """Takes orders for audience files.

    Args:
        folder: All exports of the workspace.
        source: The run to cut from, opened anew for every order, and what stands beside it.
        rules: What files may hold.
        most_waiting: Orders that may wait; more are turned away.
    """

    def __init__(
        self, folder: Path, source: Callable[[], Source], rules: Rules, *, most_waiting: int = 20
    ) -> None:
        self._folder, self._source, self._rules = folder, source, rules
        self._most_waiting = most_waiting
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="export")
        self._under_way: dict[str, Future[None]] = {}
        self._connections: dict[str, Connection] = {}
        self._lock = threading.Lock()
        self._evidence: tuple[str, Mapping[str, int]] = ("", {})

    def columns(self) -> dict[str, str]:
        """Name and type of every column that can be chosen or restricted."""
        with opened(self._source()) as connection:
            return column_types(connection)

    def strong_evidence(self) -> Mapping[str, int]:
        """Customers of each segment whose segment the data bear out; a run is counted once."""
        source = self._source()
        run_id, found = self._evidence
        if run_id != source.snapshot.run_id:
            with opened(source) as connection:
                found = strong_evidence(connection)
            self._evidence = (source.snapshot.run_id, found)
        return found

    def preview(self, order: Order) -> Outlook:
        """What an order would bring, and its overlap with the newest export of the same name.

        Raises:
            AudienceError: It makes no sense.
        """
        same = [name for name in exports_in(self._folder) if name.startswith(f"{order.name}-")]
        try:
            return preview(self._source(), order, self._folder, compare_with=same[:1])
        except ContractError as error:
            raise AudienceError(str(error)) from error

    def ask(self, order: Order, *, owner: str) -> Request:
        """Put an order in the queue; one that makes no sense is refused at once.

        Raises:
            AudienceError: It makes no sense.
            QueueFullError: Come again later.
        """
        self.preview(order)
        with self._lock:
            waiting = sum(not future.done() for future in self._under_way.values())
            if waiting >= self._most_waiting:
                raise QueueFullError(f"{waiting} exports are waiting; come again in a minute.")
            request = Request(
                id=uuid.uuid4().hex,
                owner=owner,
                asked_at=datetime.now(UTC).isoformat(),
                order=order.model_dump(mode="json"),
                process=os.getpid(),
            )
            self._note(request)
            self._under_way[request.id] = self._worker.submit(self._carry_out, request, order)
        return request

    def wait(self, request_id: str, *, seconds: float) -> None:
        """Return when an order of this process has ended, or after a while."""
        future = self._under_way.get(request_id)
        if future is not None:
            with contextlib.suppress(TimeoutError, Exception):
                future.result(timeout=seconds)

    def find(self, request_id: str, *, owner: str) -> Request:
        """An order and what became of it.

        Raises:
            UnknownExportError: There is none, or it is another's.
        """
        path = self._path(request_id)
        if not request_id.isalnum() or not path.is_file():
            raise UnknownExportError(f"there is no export {request_id[:40]!r}.")
        request = _REQUEST.validate_json(path.read_bytes())
        if request.owner != owner:
            raise UnknownExportError(f"there is no export {request_id[:40]!r}.")
        is_left = request.state not in ENDED and not self._is_alive(request)
        return replace(request, state="lost") if is_left else request

    def all_of(self, owner: str) -> Sequence[Request]:
        """Orders of one key, the newest first."""
        paths = (self._folder / _REQUESTS).glob("*.json")
        found = []
        for path in paths:
            with contextlib.suppress(UnknownExportError):
                found.append(self.find(path.stem, owner=owner))
        return sorted(found, key=lambda request: request.asked_at, reverse=True)

    def written(self, request: Request) -> Written:
        """The file of an order that is done.

        Raises:
            UnknownExportError: It is not there: not yet, or not any more.
        """
        if request.export_id is None:
            raise UnknownExportError(f"export {request.id} has no file: it is {request.state}.")
        try:
            return read_export(self._folder, request.export_id)
        except ContractError as error:
            raise UnknownExportError(f"the file of export {request.id} is gone.") from error

    def progress(self, request: Request) -> float:
        """Share of the running query that is done, 0 to 1."""
        connection = self._connections.get(request.id)
        if connection is None:
            return 1.0 if request.state == "done" else 0.0
        return progress_of(connection)

    def cancel(self, request_id: str, *, owner: str) -> Request:
        """Stop an order that has not ended; one that has is left as it is."""
        request = self.find(request_id, owner=owner)
        future, connection = (
            self._under_way.get(request_id),
            self._connections.get(request_id),
        )
        if future is not None and future.cancel():
            self._note(replace(request, state="cancelled"))
        elif connection is not None:
            stop_query(connection)
            self.wait(request_id, seconds=5.0)
        return self.find(request_id, owner=owner)

    def close(self) -> None:
        """Stop what is under way; what waits is lost."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        for connection in list(self._connections.values()):
            stop_query(connection)
        self._worker.shutdown(wait=True)

    def record(self, action: str, *, by: str, **facts: object) -> None:
        """Add to the audit log of the exports."""
        audit.record(self._folder / AUDIT, action, by=by, at=datetime.now(UTC), **facts)

    def _carry_out(self, request: Request, order: Order) -> None:
        running = replace(request, state="running")
        self._note(running)

        def watch(connection: Connection) -> None:
            self._connections[request.id] = connection

        try:
            written = write_export(
                self._source(),
                order,
                self._folder,
                rules=self._rules,
                by=f"key {request.owner}" if request.owner else "no key",
                at=datetime.now(UTC),
                watch=watch,
            )
            self._note(replace(running, state="done", export_id=written.export_id))
        except ExportStoppedError:
            self._note(replace(running, state="cancelled"))
        except UpliftError as error:
            self._note(replace(running, state="failed", problem=str(error)))
        except Exception:
            problem = "The cause stands in the log of the service."
            self._note(replace(running, state="failed", problem=problem))
            raise
        finally:
            self._connections.pop(request.id, None)

    def _note(self, request: Request) -> None:
        write_document(self._path(request.id), asdict(request))

    def _path(self, request_id: str) -> Path:
        return self._folder / _REQUESTS / f"{request_id}.json"

    def _is_alive(self, request: Request) -> bool:
        """Whether the process that carries it out still does."""
        if request.process == os.getpid():
            return request.id in self._under_way
        try:
            os.kill(request.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
