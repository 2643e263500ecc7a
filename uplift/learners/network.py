"""LightGBM's data-parallel training over peers of ours, instead of sockets of its own.

LightGBM asks for two operations on bytes and brings the function that adds up: a reduce-scatter
(histograms) and an all-gather (best splits). Both are one exchange. What arrives is added up in the
order of peers, so every run gives the same bits. LightGBM's own sockets would choose a port before
they hold it, listen to everybody, and spin for ever when a peer dies.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

from uplift.learners.peers import Buffer, Peers

_Rows = TypeVar("_Rows")
_Result = TypeVar("_Result")
_Sizes = ctypes.POINTER(ctypes.c_int32)
Sizes: TypeAlias = Sequence[int]  # as Python sees it

# The types of LightGBM's include/LightGBM/meta.h.
_REDUCE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int32)
_REDUCE_SCATTER = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,  # what we have
    ctypes.c_int32,  # its bytes
    ctypes.c_int,  # bytes of one number
    _Sizes,  # where the block of each peer starts
    _Sizes,  # its bytes
    ctypes.c_int,  # number of blocks
    ctypes.c_void_p,  # where the sums of our block go
    ctypes.c_int32,  # room there
    ctypes.POINTER(ctypes.c_void_p),  # the function that adds up
)
_ALL_GATHER = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,  # what we have
    ctypes.c_int32,  # its bytes
    _Sizes,  # where what each peer has shall go
    _Sizes,  # its bytes
    ctypes.c_int,  # number of blocks
    ctypes.c_void_p,  # all of it
    ctypes.c_int32,  # room there
)


def train_in_step(
    peers: Peers, prepare: Callable[[], _Rows], train: Callable[[_Rows], _Result]
) -> _Result:
    """What ``train`` gives where LightGBM sums over all peers; all of them call this at once.

    ``prepare`` runs before there is a network, or LightGBM would bin each peer's share by itself.

    No error can pass through LightGBM's own code. So training has a thread of its own: if a peer is
    lost in the midst of it, that thread is left standing where it is, for the process to end it,
    and the error is raised here.

    Raises:
        PeerLostError: A peer is gone or silent.
    """
    if peers.size == 1:
        return train(prepare())
    outcome: list[_Result] = []
    errors: list[BaseException] = []
    is_over = threading.Event()

    def give_up(error: BaseException) -> None:
        errors.append(error)
        is_over.set()
        threading.Event().wait()

    def run() -> None:
        try:
            rows = prepare()
            with _network(peers, give_up):
                outcome.append(train(rows))
        except BaseException as error:
            errors.append(error)
        is_over.set()

    threading.Thread(target=run, name="training", daemon=True).start()
    is_over.wait()
    if errors:
        raise errors[0]
    return outcome[0]


@contextmanager
def _network(peers: Peers, give_up: Callable[[BaseException], None]) -> Iterator[None]:
    """LightGBM's network in this thread, and in no other: its state is the thread's own."""
    import lightgbm

    def reduce_scatter(
        have: int,
        _: int,
        width: int,
        starts: Sizes,
        sizes: Sizes,
        n: int,
        out: int,
        __: int,
        add: Sizes,
    ) -> None:
        try:
            heard = peers.exchange([_view(have + starts[peer], sizes[peer]) for peer in range(n)])
            reduce = _REDUCE(add[0])
            size = sizes[peers.rank]
            ctypes.memmove(out, _address(heard[0]), size)
            for part in heard[1:]:
                reduce(_address(part), out, width, size)
        except BaseException as error:
            give_up(error)

    def all_gather(
        have: int, _: int, starts: Sizes, sizes: Sizes, n: int, out: int, __: int
    ) -> None:
        try:
            heard = peers.exchange([_view(have, sizes[peers.rank])] * n)
            for peer, part in enumerate(heard):
                ctypes.memmove(out + starts[peer], _address(part), sizes[peer])
        except BaseException as error:
            give_up(error)

    functions = _REDUCE_SCATTER(reduce_scatter), _ALL_GATHER(all_gather)  # kept while in use
    library = vars(lightgbm.basic)["_LIB"]  # the C API; Python's own knows sockets alone
    pointers = [ctypes.cast(function, ctypes.c_void_p) for function in functions]
    library.LGBM_NetworkInitWithFunctions(peers.size, peers.rank, *pointers)
    try:
        yield
    finally:
        library.LGBM_NetworkFree()


def _view(address: int, size: int) -> memoryview:
    """The bytes at an address, not copied."""
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


def _address(part: Buffer) -> ctypes.Array[ctypes.c_char] | bytes:
    """What ctypes takes for the address of these bytes."""
    if isinstance(part, bytes):
        return part
    return (ctypes.c_char * len(part)).from_buffer(part)
