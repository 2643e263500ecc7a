"""Sockets between threads stand for sockets between machines; no JVM."""

import hashlib
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import pytest

from uplift.errors import PeerLostError
from uplift.spark.mesh import Mesh, connect, listen

HOST = "127.0.0.1"
SECRET = b"of this run"
Answer = TypeVar("Answer")


def address_of(listener: socket.socket) -> str:
    return f"{HOST}:{listener.getsockname()[1]}"


def meet(size: int, work: Callable[[Mesh], Answer], *, timeout_s: float = 20.0) -> list[Answer]:
    """What ``work`` answers to each member of a mesh."""
    listeners = [listen(HOST) for _ in range(size)]
    addresses = [address_of(listener) for listener in listeners]

    def join(rank: int) -> Answer:
        mesh = connect(listeners[rank], rank, addresses, secret=SECRET, timeout_s=timeout_s)
        with closing(mesh):
            return work(mesh)

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(join, range(size)))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_everybody_hears_from_everybody_in_their_order(size: int) -> None:
    def say(mesh: Mesh) -> list[bytes]:
        return [bytes(p) for p in mesh.exchange([b"%d>%d" % (mesh.rank, j) for j in range(size)])]

    heard = meet(size, say)
    assert heard == [[b"%d>%d" % (i, rank) for i in range(size)] for rank in range(size)]


def test_letters_larger_than_any_buffer_and_empty_ones_arrive_whole() -> None:
    large = hashlib.sha256(b"x").digest() * (1 << 18)  # 8 MB, which all send before anybody reads

    def say(mesh: Mesh) -> bool:
        parts = [large if (mesh.rank + j) % 2 else b"" for j in range(3)]
        heard = mesh.exchange(parts)
        return heard == [large if (mesh.rank + i) % 2 else b"" for i in range(3)]

    assert meet(3, say) == [True] * 3


def test_one_exchange_does_not_mix_with_the_next() -> None:
    def count(mesh: Mesh) -> list[list[bytes]]:
        return [[bytes(part) for part in mesh.exchange([b"%d" % turn] * 3)] for turn in range(200)]

    for heard in meet(3, count):
        assert heard == [[b"%d" % turn] * 3 for turn in range(200)]


def test_a_listener_has_a_port_of_its_own_at_this_address_alone() -> None:
    with listen(HOST) as one, listen(HOST) as other:
        assert one.getsockname()[0] == HOST
        assert one.getsockname()[1] != other.getsockname()[1] != 0


def test_a_peer_that_never_comes_is_named_when_the_time_is_over() -> None:
    with listen(HOST) as never:
        listener = listen(HOST)
        addresses = [address_of(listener), address_of(never)]
        start = time.monotonic()
        with pytest.raises(
            PeerLostError, match=rf"task 1 on {addresses[1]} of 2 .*`training.peer_timeout_s`"
        ) as caught:
            connect(listener, 0, addresses, secret=SECRET, timeout_s=0.3)
    assert caught.value.is_silent
    assert time.monotonic() - start < 5.0


def test_a_peer_that_hangs_up_is_named_at_once() -> None:
    def leave(mesh: Mesh) -> str:
        mesh.exchange([b""] * 3)
        if mesh.rank == 2:
            return "left"
        with pytest.raises(PeerLostError, match="is gone") as caught:
            mesh.exchange([b"x" * 100_000] * 3)
        assert not caught.value.is_silent
        return str(caught.value)

    start = time.monotonic()
    first, second, _ = meet(3, leave, timeout_s=60.0)
    assert time.monotonic() - start < 30.0
    assert "task 2 on 127.0.0.1:" in first + second


def test_a_peer_that_says_nothing_is_given_up_when_the_time_is_over() -> None:
    def sleep(mesh: Mesh) -> None:
        if mesh.rank == 1:
            time.sleep(1.5)
            return
        with pytest.raises(PeerLostError, match=r"task 1 on .* said nothing for 0\.3 s") as caught:
            mesh.exchange([b"x"] * 2)
        assert caught.value.is_silent

    meet(2, sleep, timeout_s=0.3)


def test_nobody_is_there_to_call() -> None:
    with listen(HOST) as gone:
        address = address_of(gone)
    listener = listen(HOST)
    with pytest.raises(PeerLostError, match=f"task 1 cannot reach task 0 on {address}"):
        connect(listener, 1, [address, address_of(listener)], secret=SECRET, timeout_s=1.0)


def test_strangers_are_turned_away_and_the_peer_still_comes() -> None:
    listeners = [listen(HOST) for _ in range(2)]
    addresses = [address_of(listener) for listener in listeners]
    stranger = socket.create_connection(listeners[0].getsockname())
    stranger.sendall(b"\0\0\0\1" + b"n" * 32)  # says it is task 1
    with ThreadPoolExecutor(3) as pool:
        meshes = [pool.submit(_join, listeners, addresses, rank, SECRET) for rank in (0, 1)]
        stranger.recv(64)
        stranger.sendall(b"p" * 32)  # but cannot prove it
        heard = [mesh.result() for mesh in meshes]
    assert heard == [[b"0", b"1"]] * 2
    assert stranger.recv(1) == b""


def test_who_does_not_know_the_secret_is_no_peer() -> None:
    listeners = [listen(HOST) for _ in range(2)]
    addresses = [address_of(listener) for listener in listeners]
    with ThreadPoolExecutor(2) as pool:
        listening = pool.submit(_join, listeners, addresses, 0, SECRET, 1.0)
        calling = pool.submit(_join, listeners, addresses, 1, b"another", 1.0)
        with pytest.raises(PeerLostError, match="does not know this run's secret"):
            calling.result()
        with pytest.raises(PeerLostError, match="did not come"):
            listening.result()


def _join(
    listeners: list[socket.socket],
    addresses: list[str],
    rank: int,
    secret: bytes,
    timeout_s: float = 20.0,
) -> list[bytes]:
    mesh = connect(listeners[rank], rank, addresses, secret=secret, timeout_s=timeout_s)
    with closing(mesh):
        return [bytes(part) for part in mesh.exchange([b"%d" % rank] * 2)]
