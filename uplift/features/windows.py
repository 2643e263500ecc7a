"""Whole numbers about the events of many units in many windows, from events in any order.

The windows of a type cut time, counted from a unit's moment, into a few intervals. Every event is
added into the one cell (moment, interval) where it falls, in constant time and without any
sorting, and a window is read off as the sum, or the largest, of its cells. All arithmetic is on
64-bit integers, so neither the order of the events nor the way they are cut into blocks can change
a bit.

Memory: ``n_moments x n_intervals x 8`` bytes for each part that is wanted, however many events
there are. Only ``n_distinct`` also keeps the different (cell, value) pairs, and dropping repeated
events keeps the events.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from uplift.errors import ContractError

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

Part = Literal["n", "n_valued", "total", "highest", "lowest", "last_us", "n_distinct"]

_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_START = {"highest": _LEAST, "lowest": _MOST, "last_us": _LEAST}
_VALUED: tuple[Part, ...] = ("n_valued", "total", "highest", "lowest", "n_distinct")


class WindowPart(NamedTuple):
    """One whole number about a unit's events of one type around its moment.

    The window is ``moment + from_us <= event < moment + to_us``. Parts: ``n`` events, ``n_valued``
    of them with a value; ``total``, ``highest`` and ``lowest`` of the values in millionths;
    ``last_us``, the time of the latest event; ``n_distinct`` different values. Without an event
    (or a value) ``highest``, ``lowest`` and ``last_us`` are null and the others 0.
    """

    kind: int
    part: Part
    from_us: int
    to_us: int


class Events(NamedTuple):
    """Events in any order, each array of shape (n,).

    ``kind`` is the number of the event's type, ``at_us`` microseconds since 1970, ``millionths``
    the value in whole millionths, 0 where ``is_valued`` says that there is none. ``place`` is the
    unit, or the moment, to which the event belongs.
    """

    place: Integers
    kind: npt.NDArray[np.int16]
    at_us: Integers
    millionths: Integers
    is_valued: Booleans

    def at(self, rows: Integers | Booleans) -> "Events":
        """The events of these rows."""
        return Events(
            place=self.place[rows],
            kind=self.kind[rows],
            at_us=self.at_us[rows],
            millionths=self.millionths[rows],
            is_valued=self.is_valued[rows],
        )


@dataclass(frozen=True)
class Moments:
    """Who is looked at, and when: row i is unit ``unit_ids[i]`` as of ``as_of_us[i]``.

    A unit may have several moments, and the same one twice. A row whose unit or time is null sees
    no event.
    """

    unit_ids: pa.Array
    as_of_us: pa.Array

    def window_parts(
        self,
        blocks: Iterable[pa.RecordBatch | pa.Table],
        wanted: Sequence[WindowPart],
        *,
        drop_repeated: bool = False,
    ) -> list[pa.Array]:
        """One array of shape (n_moments,) per wanted part.

        Args:
            blocks: Events with the columns ``unit_id, kind, at_us, millionths``; strangers are
                passed over.
            wanted: What to find out.
            drop_repeated: Count events of one unit, kind, time and value once.

        Raises:
            ContractError: A total might not fit into 64 bits.
        """
        units = self.unit_ids.unique().drop_null()
        streams: Iterable[Events] = (_known_events(block, units) for block in blocks)
        if drop_repeated:
            streams = _without_repeats(streams)
        as_of_us = _filled(self.as_of_us)
        kinds = sorted({part.kind for part in wanted})
        totals = {
            kind: _Totals(as_of_us, [part for part in wanted if part.kind == kind])
            for kind in kinds
        }
        starts, rows = self._rows_by_unit(units)
        for events in streams:
            for kind, total in totals.items():
                total.add(_at_moments(events.at(events.kind == kind), starts, rows))
        return [totals[part.kind].window(part) for part in wanted]

    def _rows_by_unit(self, units: pa.Array) -> tuple[Integers, Integers]:
        """Rows sorted by unit: those of unit u are ``rows[starts[u] : starts[u + 1]]``."""
        places = pc.index_in(self.unit_ids, value_set=units, skip_nulls=True)
        codes = np.where(np.asarray(self.as_of_us.is_valid()), _filled(places, -1), -1)
        rows = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[rows], np.arange(len(units) + 1))
        return starts.astype(np.int64), rows.astype(np.int64)


def _known_events(block: pa.RecordBatch | pa.Table, units: pa.Array) -> Events:
    """The events of these units, ``place`` being the unit's."""
    places = pc.index_in(block["unit_id"], value_set=units, skip_nulls=True)
    values = block["millionths"]
    events = Events(
        place=_filled(places, -1).astype(np.int64),
        kind=np.asarray(block["kind"]),
        at_us=np.asarray(block["at_us"]),
        millionths=_filled(values),
        is_valued=np.asarray(values.is_valid()),
    )
    return events.at(events.place >= 0)


def _without_repeats(blocks: Iterable[Events]) -> list[Events]:
    """All events as one block, equal ones once."""
    columns = [np.concatenate(values) for values in zip(*blocks, strict=True)]
    if not columns:
        return []
    order = np.lexsort(columns)
    is_new = np.zeros(len(order), dtype=np.bool_)
    is_new[:1] = True
    for values in columns:
        is_new[1:] |= np.diff(values[order].astype(np.int64)) != 0
    return [Events(*columns).at(order[is_new])]


def _at_moments(events: Events, starts: Integers, rows: Integers) -> Events:
    """Every event once for each moment of its unit, ``place`` being the moment's row."""
    n_moments = starts[events.place + 1] - starts[events.place]
    ends = np.cumsum(n_moments)
    first = np.repeat(starts[events.place] - (ends - n_moments), n_moments)
    moments = rows[first + np.arange(len(first))]
    return events.at(np.repeat(np.arange(len(n_moments)), n_moments))._replace(place=moments)


class _Totals:
    """The cells of one kind of event: intervals between the edges of its windows, by moment."""

    def __init__(self, as_of_us: Integers, wanted: Sequence[WindowPart]) -> None:
        self._as_of_us = as_of_us
        self._edges = np.unique([edge for part in wanted for edge in (part.from_us, part.to_us)])
        self._shape = (len(as_of_us), len(self._edges) - 1)
        self._cells: dict[Part, Integers] = {
            part: np.full(self._shape[0] * self._shape[1], _START.get(part, 0), dtype=np.int64)
            for part in dict.fromkeys(part.part for part in wanted)
            if part != "n_distinct"
        }
        self._looks_at_values = any(part.part in _VALUED for part in wanted)
        self._counts_distinct = any(part.part == "n_distinct" for part in wanted)
        self._pairs: Integers = np.empty((2, 0), dtype=np.int64)

    def add(self, events: Events) -> None:
        """Add events whose ``place`` is a moment; those outside every window change nothing."""
        offset_us = events.at_us - self._as_of_us[events.place]
        interval = np.searchsorted(self._edges, offset_us, side="right") - 1
        inside = (interval >= 0) & (interval < self._shape[1])
        cell = (events.place * self._shape[1] + interval)[inside]
        for part in self._cells.keys() & {"n"}:
            np.add.at(self._cells[part], cell, 1)
        for part in self._cells.keys() & {"last_us"}:
            np.maximum.at(self._cells[part], cell, events.at_us[inside])
        if self._looks_at_values:
            is_valued = events.is_valued[inside]
            self._add_values(cell[is_valued], events.millionths[inside][is_valued])

    def _add_values(self, cell: Integers, millionths: Integers) -> None:
        for part in self._cells.keys() & {"n_valued"}:
            np.add.at(self._cells[part], cell, 1)
        for part in self._cells.keys() & {"highest"}:
            np.maximum.at(self._cells[part], cell, millionths)
        for part in self._cells.keys() & {"lowest"}:
            np.minimum.at(self._cells[part], cell, millionths)
        for part in self._cells.keys() & {"total"}:
            _require_room(
                _magnitude(self._cells[part]) + float(np.abs(millionths).sum(dtype=float))
            )
            np.add.at(self._cells[part], cell, millionths)
        if self._counts_distinct:
            self._pairs = _distinct(np.hstack([self._pairs, [cell, millionths]]))

    def window(self, part: WindowPart) -> pa.Array:
        """What the cells of a window come to, shape (n_moments,)."""
        first, end = np.searchsorted(self._edges, [part.from_us, part.to_us])
        if part.part == "n_distinct":
            return pa.array(self._distinct_values(first, end))
        cells = self._cells[part.part].reshape(self._shape)[:, first:end]
        match part.part:
            case "highest" | "last_us":
                found = cells.max(axis=1)
                return pa.array(found, mask=found == _LEAST)
            case "lowest":
                found = cells.min(axis=1)
                return pa.array(found, mask=found == _MOST)
            case _:
                _require_room(_magnitude(cells) * cells.shape[1])
                return pa.array(cells.sum(axis=1))

    def _distinct_values(self, first: int, end: int) -> Integers:
        moment, interval = np.divmod(self._pairs[0], max(1, self._shape[1]))
        inside = (interval >= first) & (interval < end)
        different = _distinct(np.stack([moment[inside], self._pairs[1][inside]]))
        return np.bincount(different[0], minlength=self._shape[0])


def _distinct(pairs: Integers) -> Integers:
    """The different columns of an array of shape (2, n), sorted."""
    ordered = pairs[:, np.lexsort(pairs[::-1])]
    is_new = np.ones(ordered.shape[1], dtype=np.bool_)
    is_new[1:] = (np.diff(ordered) != 0).any(axis=0)
    return ordered[:, is_new]


def _magnitude(cells: Integers) -> float:
    return float(np.abs(cells.astype(np.float64)).max(initial=0.0))


def _require_room(magnitude: float) -> None:
    """Refuse to add where 64 bits could run over; the bound is rough, but far from real money."""
    if magnitude >= _MOST // 2:
        raise ContractError(
            f"the values of one unit in one window may add up to {magnitude / 1e6:.3g}, beyond the "
            f"{_MOST / 2e6:.3g} that an exact sum holds. Correct the column `value` of the events "
            "(`inputs.raw.events`), or log a larger unit."
        )


def _filled(values: pa.Array | pa.ChunkedArray, empty: int = 0) -> Integers:
    filled: Integers = np.asarray(pc.fill_null(values, empty))
    return filled
