"""The four tables of a block: assignments, events, customers and the truth."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from uplift import columns
from uplift.arms import CONTROL
from uplift.experiment.simulate.declaration import EventSource
from uplift.experiment.simulate.equations import Logit
from uplift.experiment.simulate.noise import Vector
from uplift.experiment.simulate.population import (
    DAY,
    Codes,
    Micros,
    Population,
    Response,
    draw_population,
    midnight,
)
from uplift.experiment.simulate.scenario import Scenario

INSTANT = pa.timestamp("us", tz="UTC")
TRUE_CONVERSION = "true_conversion"
TRUE_REVENUE = "true_revenue"
POTENTIAL_CONVERSION = "potential_conversion"
POTENTIAL_REVENUE = "potential_revenue"
EXPOSED = "exposed"


@dataclass(frozen=True)
class Block:
    """One block of a log, and what is true of it.

    Attributes:
        assignments: Who drew which arm when, and with what propensity.
        events: What happened before and after, until the log ends.
        customers: Attributes, some of them missing.
        truth: For every customer, over arms 0..K: chance of conversion and expected revenue given
            all but the outcome's own noise, and the potential outcomes with that noise. An arm
            means being assigned it: who is not exposed answers every arm like control.
    """

    assignments: pa.Table
    events: pa.Table
    customers: pa.Table
    truth: pa.Table


@dataclass(frozen=True)
class _Events:
    """Events of one type: the row of the customer, the time, the value (NaN: none)."""

    type: str
    row: Codes
    at: Micros
    value: Vector


def simulate_block(scenario: Scenario, *, seed: int, block: int, n_units: int) -> Block:
    """The tables of one block; the content depends on nothing but the arguments."""
    population = draw_population(scenario, seed=seed, block=block, n_units=n_units)
    units = _names("c", population.first + np.arange(n_units))
    return Block(
        assignments=_assignments(population, units),
        events=_events(population, units),
        customers=_customers(population, units),
        truth=_truth(population, units),
    )


def _assignments(population: Population, units: pa.Array) -> pa.Table:
    scenario, n = population.scenario, len(units)
    if scenario.knobs.household_size > 1:
        clusters = _names("h", population.first + population.traits.noise.heads)
    else:
        clusters = pa.nulls(n, pa.string())
    drawn = population.propensities[np.arange(n), population.arm]
    return pa.table(
        {
            columns.EXPERIMENT_ID: pa.repeat(scenario.declared.assignment.experiment_id, n),
            columns.UNIT_ID: units,
            columns.ARM: pa.array(scenario.arms.names).take(pa.array(population.arm)),
            columns.ASSIGNED_AT: pa.array(population.assigned_at, INSTANT),
            columns.PROPENSITY: drawn,
            columns.CLUSTER_ID: clusters,
        }
    )


def _customers(population: Population, units: pa.Array) -> pa.Table:
    declared, traits = population.scenario.declared, population.traits
    table = {columns.UNIT_ID: units}
    for column, attribute in declared.customers.items():
        missing = traits.noise.uniform(f"~customers/{column}") < attribute.missing_share
        if attribute.node in traits.levels:
            levels = pa.array(traits.levels[attribute.node])
            table[column] = levels.take(pa.array(traits.codes(attribute.node), mask=missing))
        elif isinstance(declared.nodes.get(attribute.node), Logit):
            table[column] = pa.array(traits.values[attribute.node] > 0.0, mask=missing)
        else:
            table[column] = pa.array(traits.values[attribute.node], mask=missing)
    return pa.table(table)


def _truth(population: Population, units: pa.Array) -> pa.Table:
    responses = [population.potential(arm) for arm in population.scenario.arms.names]
    return pa.table(
        {
            columns.UNIT_ID: units,
            TRUE_CONVERSION: _per_arm([response.chance for response in responses]),
            TRUE_REVENUE: _per_arm([response.expected_revenue for response in responses]),
            POTENTIAL_CONVERSION: _per_arm([response.conversion for response in responses]),
            POTENTIAL_REVENUE: _per_arm([response.revenue for response in responses]),
            EXPOSED: population.exposed,
        }
    )


def _events(population: Population, units: pa.Array) -> pa.Table:
    response = population.factual()
    parts = [*_background(population, response), *_outcomes(population, response)]
    types = pa.array([part.type for part in parts])
    at = np.concatenate([part.at for part in parts])
    value = np.concatenate([part.value for part in parts])
    kind = np.repeat(np.arange(len(parts)), [len(part.row) for part in parts])
    row = np.concatenate([part.row for part in parts])
    seen = at < midnight(population.scenario.declared.log_ends_at)
    return pa.table(
        {
            columns.UNIT_ID: units.take(pa.array(row[seen])),
            columns.EVENT_TYPE: types.take(pa.array(kind[seen])),
            columns.EVENT_AT: pa.array(at[seen], INSTANT),
            columns.VALUE: pa.array(value[seen], mask=np.isnan(value[seen])),
        }
    )


def _background(population: Population, response: Response) -> Iterator[_Events]:
    """The declared events, spread evenly over their days."""
    for position, source in enumerate(population.scenario.declared.events):
        stream = f"~events/{position}"
        values = response.world.values
        row = np.repeat(np.arange(len(population.arm)), values[source.count].astype(np.intp))
        start, end = source.days
        ends = np.full(len(population.arm), end)
        if source.silent_days is not None:
            ends -= np.clip(values[source.silent_days], 0.0, end - start)
        noise = response.world.noise
        moment = noise.generator(f"{stream}/at").random(len(row))
        offset = _inside(moment, start, ends[row])
        value = _values(source, response, row, stream)
        yield _Events(source.type, row, population.assigned_at[row] + offset, value)


def _values(source: EventSource, response: Response, row: Codes, stream: str) -> Vector:
    if source.value is None:
        return np.full(len(row), np.nan)
    spread = response.world.noise.generator(f"{stream}/value").standard_normal(len(row))
    log_mean = source.value.log_mean.total(response.world)[row]
    amount: Vector = np.exp(log_mean + source.value.log_sd * spread)
    return amount


def _outcomes(population: Population, response: Response) -> Iterator[_Events]:
    """The purchase of each customer who converts, and the coupon spent on it."""
    outcome = population.scenario.declared.outcome
    row = np.flatnonzero(response.conversion)
    moment = response.world.noise.uniform("~events/outcome")[row]
    at = population.assigned_at[row] + _inside(moment, 0.0, np.full(len(row), outcome.window_days))
    yield _Events(outcome.event_type, row, at, response.revenue[row])
    if outcome.redeemed_event_type is not None:
        redeemed = ((population.arm != CONTROL) & population.exposed)[row]
        nothing = np.full(redeemed.sum(), np.nan)
        yield _Events(outcome.redeemed_event_type, row[redeemed], at[redeemed], nothing)


def _inside(uniform: Vector, start: float, end: Vector) -> Micros:
    """Microseconds strictly between two days; an empty span gives its start plus one."""
    first = round(start * DAY) + 1
    width = np.maximum(np.rint(end * DAY).astype(np.int64) - first, 1)
    offset: Micros = first + np.minimum((uniform * width).astype(np.int64), width - 1)
    return offset


def _per_arm(by_arm: list[Vector]) -> pa.Array:
    """One list of K+1 numbers per customer."""
    matrix = np.column_stack(by_arm)
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(offsets, matrix.ravel())


def _names(prefix: str, numbers: Codes) -> pa.Array:
    """Identifiers such as ``c000000042``."""
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), 9, "0")
    return pc.binary_join_element_wise(prefix, digits, "")
