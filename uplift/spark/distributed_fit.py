"""Fit a model on all rows of a log that no machine holds: in Spark tasks that learn together.

One barrier stage does it all. The exchange before it gives every task a share of the randomisation
units, in the order of their hashes; then every task runs the learner on its share, in step with the
others (see ``uplift.learners.peers``). Rows stay in their tasks, but for the sample that bins are
made from, which tasks show each other; the driver receives the model.
"""

import pickle
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark import BarrierTaskContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.arms import Arms
from uplift.ensemble import FlatEnsemble
from uplift.errors import ConfigError, ContractError, PeerLostError, UpliftError
from uplift.features.encoder import FeatureEncoder, fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.fit import Plan
from uplift.learners.model import UpliftModel
from uplift.learners.peers import Peers
from uplift.learners.together import PeerTrainer
from uplift.spark.agreement import agreed, mistake_of
from uplift.spark.contracts import column, require_columns
from uplift.spark.hashing import hash_uniform
from uplift.spark.mesh import connect, listen
from uplift.spark.shares import Share, read_share

LEAST_ROWS = 50_000  # of a task, where nobody says how many there shall be

# How a line begins that tells what happened: the last of a Python traceback, or Spark's own words.
_REASON = r"(?!py4j|java|Caused)[\w.]+(Error|Exception|Failure)\b.*[:(]"

_ANSWER = "mistake string, why string, ensembles binary"


@dataclass(frozen=True)
class DistributedFit:
    """A model, and what it was learned from: ``n_rows`` rows in ``n_workers`` tasks."""

    model: UpliftModel
    n_rows: int
    n_workers: int


@dataclass(frozen=True)
class _Task:
    """All that a task must know."""

    names: Sequence[str]
    encoder: FeatureEncoder
    outcomes: Sequence[str]
    plan: Plan
    n_arms: int
    timeout_s: float
    secret: bytes = field(repr=False)


def fit_on_spark(
    frame: DataFrame,
    features: Sequence[FeatureColumn],
    outcomes: Sequence[str],
    *,
    arms: Arms,
    plan: Plan,
    workers: int | None,
    peer_timeout_s: float,
    salt: str,
    source: str,
    metadata: Mapping[str, str] | None = None,
) -> DistributedFit:
    """Fit a learner of boosters on all rows of a ``training_set``, wherever they are.

    Tasks hold their rows in memory, as 8 bytes a number, and about as much again while an arm's
    share of them is learned from. The same rows and number of workers give the same model to the
    last bit, in whatever order and files the rows come. Another number of workers changes the order
    of sums; see ``uplift.learners.together.PeerTrainer`` for what that can do.

    A task that is lost fails the stage, which Spark runs again, at most
    ``spark.stage.maxConsecutiveAttempts`` times.

    Args:
        frame: Rows of ``training_set``.
        features: Columns to learn from.
        outcomes: Columns to learn.
        arms: Of the campaign.
        plan: What is fitted; its trainer gives way to one that learns with peers.
        workers: Number of tasks, which must all run at once. None: as many as can, but no more
            than one per 50,000 rows.
        peer_timeout_s: How long a task may be silent while others wait for it.
        salt: Of the shares.
        source: How the reader knows the table.
        metadata: Remarks that travel with the model.

    Raises:
        ConfigError: Spark cannot run so many tasks at once.
        ContractError: Columns are missing, there are no rows, or an outcome is missing in some.
        PeerLostError: A task was lost or silent, in the last attempt too.
        UpliftError: What a learner finds wrong with rows or settings; it is not tried again.
    """
    names = [feature.name for feature in features]
    require_columns(frame, [*names, *outcomes], source=source)
    encoder, n_rows = _look_over(frame, features, outcomes, source)
    n_workers = _workers(frame, workers, n_rows)
    shares = _shares(frame, [*names, *outcomes], n_workers, salt=salt)
    task = _Task(
        names=shares.columns,
        encoder=encoder,
        outcomes=outcomes,
        plan=plan,
        n_arms=len(arms.names),
        timeout_s=peer_timeout_s,
        secret=secrets.token_bytes(32),
    )
    # by number, because mapInArrow takes a dot in a name for a field of a struct
    numbered = shares.toDF(*map(str, range(len(shares.columns))))
    answers = numbered.mapInArrow(_fit_share(task), _ANSWER, barrier=True)
    try:
        # behind an exchange, because Spark runs a failed barrier stage again only if it is not last
        [answer] = answers.repartition(1).collect()
    except (PySparkException, Py4JError) as error:
        raise _told(error, n_workers) from error
    if answer["mistake"] is not None:
        raise mistake_of(answer["mistake"], answer["why"])
    ensembles = pickle.loads(answer["ensembles"])
    model = UpliftModel(arms, encoder, ensembles, metadata or {})
    return DistributedFit(model, n_rows, n_workers)


def _look_over(
    frame: DataFrame, features: Sequence[FeatureColumn], outcomes: Sequence[str], source: str
) -> tuple[FeatureEncoder, int]:
    """What must be known of all rows before they are shared out, in one pass."""
    categorical = [feature.name for feature in features if feature.kind == "categorical"]
    found = frame.agg(
        F.count("*"),
        *[F.count_if(column(name).isNull()) for name in outcomes],
        *[F.collect_set(column(name)) for name in categorical],
    ).collect()[0]
    n_rows, *rest = found
    if not n_rows:
        raise ContractError(f"{source} is empty: 0 rows. Run jobs/build_training_set again.")
    for name, n_missing in zip(outcomes, rest, strict=False):
        if n_missing:
            raise ContractError(
                f"`{name}` of {source} is null in {n_missing} of {n_rows} training rows. Log it "
                "for every unit (0 where nothing happened), or set `campaign.value.basis` to an "
                "outcome that the log has."
            )
    known = dict(zip(categorical, rest[len(outcomes) :], strict=True))
    return fit_encoder(features, known), n_rows


def _workers(frame: DataFrame, wanted: int | None, n_rows: int) -> int:
    """How many tasks learn together."""
    context = frame.sparkSession.sparkContext._jsc.sc()
    slots = context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile())
    if wanted is None:
        return max(1, min(int(slots), n_rows // LEAST_ROWS))
    if wanted > slots:
        raise ConfigError(
            f"`training.workers` is {wanted}, but Spark runs {slots} tasks at once, and tasks that "
            "learn together must all run. Set it to that or less (null: as many as can run), or "
            "give Spark more executors."
        )
    return wanted


def _shares(frame: DataFrame, names: Sequence[str], n_shares: int, *, salt: str) -> DataFrame:
    """The rows, a partition for each task, in an order that the rows alone decide."""
    design = [columns.ARM, columns.PROPENSITY, columns.CLUSTER_ID]
    if columns.PROPENSITIES in frame.columns:
        design.append(columns.PROPENSITIES)
    keys = [columns.UNIT_ID, columns.EXPERIMENT_ID]
    kept = list(map(column, [*design, *names]))
    draw = "hash of the unit"  # with blanks, which the name of a feature cannot have
    drawn = frame.select(
        hash_uniform(F.col(columns.CLUSTER_ID), f"{salt}:share").alias(draw), *keys, *kept
    )
    return (
        drawn.repartitionById(n_shares, F.floor(column(draw) * n_shares).cast("int"))
        .sortWithinPartitions(column(draw), *keys)
        .select(*kept)
    )


def _fit_share(task: _Task) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What each task does with its rows."""

    def fit(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = BarrierTaskContext.get()
        answer: dict[str, object] = {}
        try:
            ensembles = _learn_together(context, batches, task)
        except PeerLostError:
            raise  # fails the stage, and Spark tries again
        except UpliftError as mistake:
            answer = {"mistake": type(mistake).__name__, "why": str(mistake)}
        else:
            answer = {"ensembles": pickle.dumps(ensembles)}
        if context.partitionId() == 0:
            yield pa.RecordBatch.from_pylist([answer], _SCHEMA)

    return fit


_SCHEMA = pa.schema([("mistake", pa.string()), ("why", pa.string()), ("ensembles", pa.binary())])


def _learn_together(
    context: BarrierTaskContext, batches: Iterator[pa.RecordBatch], task: _Task
) -> Mapping[str, FlatEnsemble]:
    """The ensemble of each outcome; all tasks get the same."""
    rank = context.partitionId()
    host = context.getTaskInfos()[rank].address.rpartition(":")[0]
    shares: list[Share] = []
    fitted: dict[str, FlatEnsemble] = {}
    with listen(host) as listener:

        def read() -> str:
            shares.append(read_share(batches, task.names, task.encoder, task.outcomes))
            return f"{host}:{listener.getsockname()[1]}"

        addresses = agreed(context, read, timeout_s=task.timeout_s)

        def learn() -> str:
            mesh = connect(listener, rank, addresses, secret=task.secret, timeout_s=task.timeout_s)
            with closing(mesh):
                fitted.update(_fit(shares.pop(), mesh, task, num_threads=context.cpus()))
            return " ".join(ensemble.digest() for ensemble in fitted.values())

        digests = agreed(context, learn, timeout_s=task.timeout_s)
    if len(set(digests)) > 1:
        raise UpliftError(
            f"{len(digests)} tasks that learned together hold {len(set(digests))} different "
            "models. Give all executors the same versions of LightGBM and numpy."
        )
    return fitted


def _fit(
    share: Share, peers: Peers, task: _Task, *, num_threads: int
) -> Iterator[tuple[str, FlatEnsemble]]:
    plan = replace(task.plan, trainer=PeerTrainer(peers, num_threads=num_threads))
    for outcome in task.outcomes:
        yield (
            outcome,
            plan.fit(
                share.training_data(outcome, peers),
                outcome,
                task.n_arms,
                categorical=task.encoder.categorical_indices,
            ),
        )


def _told(error: Exception, n_workers: int) -> UpliftError:
    """What Spark says of a failed stage, without its stack traces."""
    lost = re.findall(r"PeerLostError: (.*)", str(error))
    if lost:
        return PeerLostError(f"training with {n_workers} tasks failed: {lost[-1]}")
    lines = [line for line in str(error).splitlines() if re.match(_REASON, line)]
    return PeerLostError(
        f"training with {n_workers} tasks failed: {(lines or [str(error)])[-1][:300]} Look into "
        "the executors' logs; out of memory is a usual reason: give executors more, or take more "
        "`training.workers`."
    )
