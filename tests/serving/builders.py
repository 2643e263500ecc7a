"""A small campaign whose every number can be checked by head, up to its published run.

One tree, read off the ages and cities of 300 customers, gives every segment and every reason.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from serving.opening import Office
from tests.conftest import ROOT
from uplift.arms import Arms
from uplift.audience.manifest import Facts, SegmentSize
from uplift.audience.snapshot import Snapshot, publish, staging_folder
from uplift.config import Config, load_config
from uplift.ensemble import FlatEnsemble
from uplift.ensemble.decisions import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN
from uplift.features.encoder import fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.learners.model import UpliftModel
from uplift.online.sqlite import build_store
from uplift.policy import SEGMENTS, Decisions, Policy, ValueRule, decide
from uplift.policy.evidence import EffectBins, EffectIntervals
from uplift.workspace import Workspace, write_document

ARMS = Arms(("no_coupon", "coupon_5", "coupon_10"))
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
BONN, ULM = 0, 1
LEAVES = [  # chance of buying with no coupon, coupon_5, coupon_10
    [0.10, 0.30, 0.35],  # up to 40, Ulm: a coupon of 5 earns 30 x 0.20 and costs 0.10 + 5 x 0.30
    [0.10, 0.14, 0.15],  # up to 40, Bonn: it earns 1.20 and costs 0.80, too little at price 1
    [0.05, 0.05, 0.06],  # up to 40, elsewhere: lost causes
    [0.50, 0.50, 0.51],  # 41 to 60: sure things
    [0.50, 0.40, 0.45],  # older: sleeping dogs
]

# effects of more than ten points are known to a point, others may be nothing
SURE_ABOVE_10_POINTS = EffectBins((-0.09, 0.1), (-0.11, -0.1, 0.19), (-0.09, 0.1, 0.21))


def model() -> UpliftModel:
    """Splits: age <= 40, then city Ulm, city Bonn; age <= 60."""
    conversion = FlatEnsemble.of(
        {
            "roots": [0],
            "first_output": [0],
            "feature": [0, 1, 1, 0],
            "threshold": [40.0, 0, 1, 60.0],
            "decision": [MISSING_NAN | DEFAULT_LEFT, CATEGORICAL, CATEGORICAL, MISSING_NAN],
            "left": [1, ~0, ~1, ~3],
            "right": [3, 2, ~2, ~4],
            "set_start": [0, 1, 2],
            "set_words": [1 << ULM, 1 << BONN],
            "leaf_values": LEAVES,
        },
        n_features=2,
        n_outputs=3,
    )
    encoder = fit_encoder(
        [FeatureColumn("age", "numeric"), FeatureColumn("city", "categorical")],
        {"city": ["Bonn", "Ulm"]},
    )
    return UpliftModel(ARMS, encoder, {"conversion": conversion})


def policy() -> Policy:
    """Money is short: one more euro of budget would earn one euro."""
    return Policy(
        campaign_id="coupon",
        arms=ARMS,
        model_version=model().version,
        as_of=AS_OF.isoformat(),
        value=ValueRule("conversion", 30.0, 0.0, (0.1, 0.1), (5.0, 10.0)),
        shadow_price=1.0,
        budget_eur=100.0,
        holdout_share=0.1,
        exploration_share=0.1,
        salt="policy-1",
        sure_thing_conversion=0.2,
        harm_tolerance=0.005,
        intervals=EffectIntervals(0.95, {"conversion": (SURE_ABOVE_10_POINTS,) * 2}),
    )


def customers(n: int = 300) -> pa.Table:
    """The table customer_features: some ages unknown, some cities unseen, one in ten silent."""
    random = np.random.default_rng(5)
    age = random.integers(18, 80, n)
    city = random.choice(["Ulm", "Bonn", "Atlantis"], n)
    return pa.table(
        {
            "unit_id": [f"u{i:03d}" for i in range(n)],
            "as_of": pa.array([AS_OF] * n, pa.timestamp("us", "UTC")),
            "contactable": random.random(n) > 0.1,
            "age": pa.array(age.astype(float), mask=random.random(n) < 0.1),
            "city": pa.array(city, mask=random.random(n) < 0.1),
        }
    )


def decisions(table: pa.Table) -> Decisions:
    """What the one rule says to these customers."""
    expected = model().expected_outcome(model().encoder.encode(table))
    contactable = table["contactable"].to_numpy()
    return decide(policy(), table["unit_id"].to_pylist(), expected, None, contactable)


def tables(features: pa.Table) -> dict[str, pa.Table]:
    """The three tables as the nightly jobs leave them."""
    decided = decisions(features)
    expected = model().expected_outcome(model().encoder.encode(features))
    n = features.num_rows
    rank = np.empty(n, dtype=int)
    rank[np.argsort(-decided.priority, kind="stable")] = np.arange(n)
    scores = features.select(["unit_id", "as_of", "contactable"]).append_column(
        "model_version", pa.array([model().version] * n)
    )
    for name, values in {
        "expected_conversion": expected.tolist(),
        "cate": (expected[:, 1:] - expected[:, :1]).tolist(),
        "gain": decided.gain.tolist(),
        "cost": decided.cost.tolist(),
        "best_arm": pa.array(decided.best_arm, pa.int32()),
        "priority": decided.priority,
        "segment": decided.segment.tolist(),
        "evidence": decided.evidence.tolist(),
        "arm_evidence": decided.arm_evidence.tolist(),
        "persuadable_low": decided.persuadable_low,
        "persuadable_high": decided.persuadable_high,
        "decile": pa.array(rank * 10 // n + 1, pa.int32()),
    }.items():
        scores = scores.append_column(name, pa.array(values))
    return {
        "customer_features": features,
        "customer_scores": scores,
        "decisions": pa.table(
            {
                "unit_id": features["unit_id"],
                "decision_arm": pa.array(decided.arm, pa.int32()),
                "reason": decided.reason.tolist(),
                "decision_propensity": decided.propensity,
            }
        ),
    }


def wide(features: pa.Table) -> pa.Table:
    """The published scores, put together by hand."""
    scores, decided = tables(features)["customer_scores"], tables(features)["decisions"]
    best, arm = scores["best_arm"].to_pylist(), decided["decision_arm"].to_pylist()
    columns: dict[str, object] = {
        "unit_id": scores["unit_id"],
        "segment": scores["segment"],
        "evidence": scores["evidence"],
        "decile": scores["decile"],
        "net_value_eur": scores["priority"],
        "best_coupon": pa.array([ARMS.names[i] if i else None for i in best], pa.string()),
        "decision": [ARMS.names[i] for i in arm],
        "reason": decided["reason"],
        "decision_propensity": decided["decision_propensity"],
        "contactable": scores["contactable"],
    }
    for prefix, array, names in [
        ("conversion", "expected_conversion", ARMS.names),
        ("uplift", "cate", ARMS.treatments),
        ("gain_eur", "gain", ARMS.treatments),
        ("cost_eur", "cost", ARMS.treatments),
        ("evidence", "arm_evidence", ARMS.treatments),
    ]:
        for i, name in enumerate(names):
            columns[f"{prefix}_{name}"] = [row[i] for row in scores[array].to_pylist()]
    columns["persuadable_low"] = scores["persuadable_low"]
    columns["persuadable_high"] = scores["persuadable_high"]
    columns["as_of"] = scores["as_of"]
    columns["model_version"] = scores["model_version"]
    columns["policy_version"] = [policy().version] * features.num_rows
    order = [("net_value_eur", "descending"), ("unit_id", "ascending")]
    return pa.table(columns).sort_by(order)


def publish_run(root: Path, features: pa.Table | None = None) -> Snapshot:
    """Publish the small campaign, one file of scores per segment."""
    features = customers() if features is None else features
    published = wide(features)
    sizes = {}
    with staging_folder(root) as folder:
        (folder / "scores").mkdir()
        for number, segment in enumerate(SEGMENTS):
            rows = published.filter(pa.compute.equal(published["segment"], segment))
            offers = sum(name != ARMS.names[0] for name in rows["decision"].to_pylist())
            sizes[segment] = SegmentSize(rows.num_rows, offers)
            pq.write_table(rows, folder / "scores" / f"part-{number:05d}.parquet")
        n = build_store(folder / "customers.sqlite", features.to_batches(), model().encoder)
        model().save(folder / "model")
        write_document(folder / "policy.json", policy().to_document())
        facts = Facts(
            campaign_id="coupon",
            as_of=AS_OF,
            model_version=model().version,
            policy_version=policy().version,
            arms=ARMS.names,
            rows={"scores": n, "customers": n},
            columns={field.name: str(field.type) for field in published.schema},
            segments=sizes,
        )
        return publish(root, folder, facts)


def config(workspace: Path, *settings: str) -> Config:
    """The configuration of the small campaign."""
    files = [ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"]
    return load_config(files, [f"workspace={workspace}", *settings])


def office(workspace: Path, *settings: str) -> Office:
    """Everything behind the API, on a workspace of its own with the small campaign published."""
    if not Workspace(workspace).published.exists():
        publish_run(Workspace(workspace).published)
    return Office(config(workspace, *settings))
