"""Things that go wrong on purpose: a slow line to a server, callers that do not stop."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


class Proxy:
    """Passes bytes on to a port; every piece of an answer comes ``delay_seconds`` late."""

    def __init__(self, port: int) -> None:
        self._target, self.delay_seconds = port, 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for a, b, late in ((caller, server, False), (server, caller, True)):
                    threading.Thread(target=self._pass, args=(a, b, late), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, late: bool) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(65536):
                if late:
                    time.sleep(self.delay_seconds)
                target.sendall(data)


@dataclass
class Callers:
    """What callers saw until they were stopped."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    broken: int = 0
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def callers(port: int, n: int = 4) -> Iterator[Callers]:
    """n callers, each asking for one customer after the other on a connection of its own."""
    seen = Callers()

    def call(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        unit = first
        while not seen.stop.is_set():
            unit = (unit + n) % 300
            body = json.dumps({"user_id": f"u{unit:03d}"})
            try:
                headers = {"content-type": "application/json"}
                connection.request("POST", "/v1/decisions", body, headers)
                reply = connection.getresponse()
                content = reply.read()
            except (OSError, http.client.HTTPException):
                seen.broken += 1
                return
            seen.statuses.append(reply.status)
            if reply.status == 200:
                seen.answers.append(json.loads(content))

    threads = [threading.Thread(target=call, args=(first,)) for first in range(n)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        seen.stop.set()
        for thread in threads:
            thread.join()
