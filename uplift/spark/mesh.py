"""A mesh of sockets between tasks that run together: each with each, authenticated, in lockstep.

Ports are not chosen: every task listens on a free one before it tells anybody, and keeps it until
all have met. Whoever connects must prove, without saying it, that it knows the secret of this run.
Rows and sums then travel as they are: the network is trusted as far as Spark's own exchange is.
"""

import hashlib
import hmac
import os
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from uplift.errors import PeerLostError

Buffer: TypeAlias = bytes | bytearray | memoryview

_LENGTH = struct.Struct("!q")
_RANK = struct.Struct("!i")
_NONCE = 32  # bytes
_HANDSHAKE_S = 5.0  # for who connects and then says nothing


@dataclass(frozen=True, eq=False)
class Mesh:
    """Open sockets to all peers; a ``Peers`` for learners. Close it, or the others wait.

    Attributes:
        rank: Our place among the peers.
        addresses: ``host:port`` of all peers, in their order.
        links: A socket to each peer but ourselves.
        timeout_s: How long a peer may be silent while others wait for it.
    """

    rank: int
    addresses: tuple[str, ...]
    links: Mapping[int, socket.socket]
    timeout_s: float

    @property
    def size(self) -> int:
        """How many peers there are, ourselves among them."""
        return len(self.addresses)

    def exchange(self, parts: Sequence[Buffer]) -> list[Buffer]:
        """Part j goes to peer j; what each peer had for us comes back, in their order.

        Raises:
            PeerLostError: A peer is gone, or silent for longer than the time-out.
        """
        outgoing = {peer: _Outgoing(parts[peer]) for peer in self.links}
        incoming = {peer: _Incoming() for peer in self.links}
        sending = {peer for peer in self.links if not self._moved(peer, outgoing[peer])}
        waiting = set(self.links)
        while sending or waiting:
            for peer in self._ready(sending, waiting):
                if peer in waiting and self._moved(peer, incoming[peer]):
                    waiting.discard(peer)
                if peer in sending and self._moved(peer, outgoing[peer]):
                    sending.discard(peer)
        received: list[Buffer] = [b""] * self.size
        received[self.rank] = parts[self.rank]
        for peer, arrived in incoming.items():
            received[peer] = arrived.content
        return received

    def close(self) -> None:
        """Hang up; peers that wait for us are told at once."""
        for link in self.links.values():
            link.close()

    def _moved(self, peer: int, letter: "_Outgoing | _Incoming") -> bool:
        """Move what can be moved now; whether the letter is complete."""
        try:
            return letter.move(self.links[peer])
        except OSError as error:
            raise PeerLostError(
                f"{_name(peer, self.addresses)} of {self.size} is gone ({error}) while task "
                f"{self.rank} worked with it. Look for the reason in that executor's log; out of "
                "memory is a usual one: give executors more, or raise `training.workers`."
            ) from error

    def _ready(self, sending: set[int], waiting: set[int]) -> set[int]:
        """Who can be written to or read from; waits until there is one."""
        poll = select.poll()
        by_file = {}
        for peer in sending | waiting:
            wanted = (select.POLLOUT if peer in sending else 0) | (
                select.POLLIN if peer in waiting else 0
            )
            by_file[self.links[peer].fileno()] = peer
            poll.register(self.links[peer], wanted)
        ready = poll.poll(self.timeout_s * 1000.0)
        if not ready:
            silent = [_name(peer, self.addresses) for peer in sorted(sending | waiting)]
            raise _silent(silent, self.rank, self.size, "said nothing", self.timeout_s)
        return {by_file[file] for file, _ in ready}


class _Outgoing:
    """A letter on its way out: its length, then its content."""

    def __init__(self, content: Buffer) -> None:
        view = memoryview(content).cast("B")
        self._left = [memoryview(_LENGTH.pack(len(view))), view]

    def move(self, link: socket.socket) -> bool:
        while self._left:
            if not self._left[0]:
                self._left.pop(0)
                continue
            try:
                n_sent = link.send(self._left[0])
            except BlockingIOError:
                return False
            self._left[0] = self._left[0][n_sent:]
        return True


class _Incoming:
    """A letter on its way in."""

    def __init__(self) -> None:
        self.content = bytearray(_LENGTH.size)
        self._left = memoryview(self.content)
        self._is_length = True

    def move(self, link: socket.socket) -> bool:
        while True:
            while self._left:
                try:
                    n_read = link.recv_into(self._left)
                except BlockingIOError:
                    return False
                if not n_read:
                    raise ConnectionResetError("it hung up")
                self._left = self._left[n_read:]
            if not self._is_length:
                return True
            [length] = _LENGTH.unpack(self.content)
            self._is_length = False
            self.content = bytearray(length)
            self._left = memoryview(self.content)


def listen(host: str) -> socket.socket:
    """A socket that listens on a free port of this address alone; port and socket are ours now."""
    [(family, *_), *_] = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    return socket.create_server((host, 0), family=family)


def connect(
    listener: socket.socket,
    rank: int,
    addresses: Sequence[str],
    *,
    secret: bytes,
    timeout_s: float,
) -> Mesh:
    """Meet all peers: call those before us, and answer those after us.

    Args:
        listener: Ours, from ``listen``; it is closed.
        rank: Our place in ``addresses``.
        addresses: ``host:port`` of every peer's listener.
        secret: Known to the peers of this run alone.
        timeout_s: How long to wait for all of them, and later for any of them.

    Raises:
        PeerLostError: A peer does not come, or cannot be reached.
    """
    deadline = time.monotonic() + timeout_s
    links: dict[int, socket.socket] = {}
    try:
        with listener:
            for peer in range(rank):
                links[peer] = _call(peer, rank, addresses, secret, deadline)
            while missing := set(range(rank + 1, len(addresses))) - links.keys():
                listener.settimeout(max(deadline - time.monotonic(), 0.001))
                try:
                    link, _ = listener.accept()
                except TimeoutError as error:
                    names = [_name(peer, addresses) for peer in sorted(missing)]
                    raise _silent(names, rank, len(addresses), "did not come", timeout_s) from error
                caller = _answer(link, rank, secret)
                if caller in missing:
                    links[caller] = link
                else:
                    link.close()
    except BaseException:
        for link in links.values():
            link.close()
        raise
    for link in links.values():
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return Mesh(rank, tuple(addresses), links, timeout_s)


def _call(
    peer: int, rank: int, addresses: Sequence[str], secret: bytes, deadline: float
) -> socket.socket:
    host, _, port = addresses[peer].rpartition(":")
    try:
        left = max(deadline - time.monotonic(), 0.001)
        link = socket.create_connection((host, int(port)), timeout=left)
        nonce = os.urandom(_NONCE)
        link.sendall(_RANK.pack(rank) + nonce)
        answer = _read(link, 2 * _NONCE)
        theirs, proof = answer[:_NONCE], answer[_NONCE:]
        if not hmac.compare_digest(proof, _proof(secret, b"answer", peer, rank, nonce, theirs)):
            raise ConnectionRefusedError("it does not know this run's secret")
        link.sendall(_proof(secret, b"call", peer, rank, nonce, theirs))
    except OSError as error:
        raise PeerLostError(
            f"task {rank} cannot reach {_name(peer, addresses)} of {len(addresses)}: {error}. Let "
            "executors reach each other on all ports, as Spark's own exchange needs it too."
        ) from error
    return link


def _answer(link: socket.socket, rank: int, secret: bytes) -> int | None:
    """The rank of who called, or None for a stranger."""
    link.settimeout(_HANDSHAKE_S)
    try:
        opening = _read(link, _RANK.size + _NONCE)
        [caller] = _RANK.unpack(opening[: _RANK.size])
        nonce, ours = opening[_RANK.size :], os.urandom(_NONCE)
        link.sendall(ours + _proof(secret, b"answer", rank, caller, nonce, ours))
        proof = _read(link, _NONCE)
    except OSError:
        return None
    is_peer = hmac.compare_digest(proof, _proof(secret, b"call", rank, caller, nonce, ours))
    return int(caller) if is_peer else None


def _proof(secret: bytes, side: bytes, *parts: int | bytes) -> bytes:
    """What only who knows the secret can say, and only here: as long as a nonce."""
    said = [side, *(_RANK.pack(part) if isinstance(part, int) else part for part in parts)]
    return hmac.new(secret, b"|".join(said), hashlib.sha256).digest()


def _read(link: socket.socket, n_bytes: int) -> bytes:
    content = b""
    while len(content) < n_bytes:
        part = link.recv(n_bytes - len(content))
        if not part:
            raise ConnectionResetError("it hung up")
        content += part
    return content


def _name(peer: int, addresses: Sequence[str]) -> str:
    return f"task {peer} on {addresses[peer]}"


def _silent(
    names: Sequence[str], rank: int, size: int, what: str, timeout_s: float
) -> PeerLostError:
    return PeerLostError(
        f"{', '.join(names)} of {size} tasks {what} for {timeout_s:g} s while task {rank} waited. "
        "Look into that executor's log; if it was merely slow, raise `training.peer_timeout_s`.",
        is_silent=True,
    )
