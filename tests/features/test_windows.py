import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uplift.errors import ContractError
from uplift.features.windows import Moments, WindowPart

PARTS = ("n", "n_valued", "total", "highest", "lowest", "last_us", "n_distinct")
WINDOWS = [(-7, 0), (-3, 0), (-7, -3), (0, 5), (-2, 2)]
EVERY_PART = [
    WindowPart(kind, part, first, end)
    for kind in (0, 1)
    for part in PARTS
    for first, end in WINDOWS
]

units = st.sampled_from(["ann", "bob", "cleo", None])
moments = st.lists(st.tuples(units, st.one_of(st.none(), st.integers(-5, 5))), max_size=8)
values = st.one_of(st.none(), st.integers(-2, 2))
events = st.lists(st.tuples(units, st.integers(0, 2), st.integers(-15, 15), values), max_size=60)


def block(rows):
    schema = [
        ("unit_id", pa.string()),
        ("kind", pa.int16()),
        ("at_us", pa.int64()),
        ("millionths", pa.int64()),
    ]
    columns = zip(*rows, strict=True) if rows else [[]] * 4
    return pa.table(
        [pa.array(list(c), t) for c, (_, t) in zip(columns, schema, strict=True)],
        schema=pa.schema(schema),
    )


def counted(looked, log, wanted=EVERY_PART, *, n_blocks=1, **options):
    """One list of numbers per wanted part."""
    table = pa.table(
        {
            "unit_id": pa.array([unit for unit, _ in looked], pa.string()),
            "as_of": pa.array([at for _, at in looked], pa.int64()),
        }
    )
    blocks = [block(log[start::n_blocks]) for start in range(n_blocks)]
    found = Moments(table["unit_id"], table["as_of"]).window_parts(blocks, wanted, **options)
    return [part.to_pylist() for part in found]


def by_hand(moment, log, wanted):
    unit, as_of = moment
    own = [
        (at, value)
        for who, kind, at, value in log
        if unit is not None
        and as_of is not None
        and (who, kind) == (unit, wanted.kind)
        and as_of + wanted.from_us <= at < as_of + wanted.to_us
    ]
    valued = [value for _, value in own if value is not None]
    return {
        "n": len(own),
        "n_valued": len(valued),
        "total": sum(valued),
        "highest": max(valued, default=None),
        "lowest": min(valued, default=None),
        "last_us": max((at for at, _ in own), default=None),
        "n_distinct": len(set(valued)),
    }[wanted.part]


@given(looked=moments, log=events)
def test_every_part_of_every_moment_is_what_one_finds_by_hand(looked, log):
    expected = [[by_hand(moment, log, part) for moment in looked] for part in EVERY_PART]
    assert counted(looked, log) == expected


@given(looked=moments, log=events, seed=st.integers(0, 99), n_blocks=st.integers(1, 4))
def test_neither_the_order_of_events_nor_their_blocks_change_a_number(looked, log, seed, n_blocks):
    shuffled = [log[i] for i in np.random.default_rng(seed).permutation(len(log))]
    for drop in (False, True):
        found = counted(looked, shuffled, n_blocks=n_blocks, drop_repeated=drop)
        assert found == counted(looked, log, drop_repeated=drop)


@given(looked=moments, log=events)
def test_dropping_repeats_counts_a_set_of_events(looked, log):
    assert counted(looked, log, drop_repeated=True) == counted(looked, list(set(log)))


def test_without_any_event_there_are_zeros_and_nulls():
    log = [("bob", 0, 0, 1), ("ann", 0, 9, 1)]
    for blocks in ([], log):
        found = counted([("ann", 0)], blocks, [WindowPart(0, part, -7, 0) for part in PARTS])
        assert found == [[0], [0], [0], [None], [None], [None], [0]]


def test_a_total_that_64_bits_might_not_hold_is_refused_not_wrapped():
    total = [WindowPart(0, "total", -9, 0)]
    large = 2**61
    assert counted([("ann", 0)], [("ann", 0, -1, large)], total) == [[large]]
    with pytest.raises(ContractError, match=r"may add up to .* exact sum holds.*`value`"):
        counted([("ann", 0)], [("ann", 0, -1, large), ("ann", 0, -2, large)], total)


def test_a_total_over_several_intervals_that_64_bits_might_not_hold_is_refused():
    wanted = [WindowPart(0, "total", -us, 0) for us in (1, 2, 3, 4)]
    log = [("ann", 0, -us, 2**60) for us in (1, 2, 3, 4)]
    with pytest.raises(ContractError, match="may add up to"):
        counted([("ann", 0)], log, wanted, n_blocks=4)


def test_a_value_is_one_however_often_it_repeats_in_however_many_blocks():
    log = [("bot", 0, -1, value % 5) for value in range(5_000)]
    wanted = [WindowPart(0, "n", -7, 0), WindowPart(0, "n_distinct", -7, 0)]
    assert counted([("bot", 0)], log, wanted, n_blocks=50) == [[5_000], [5]]
