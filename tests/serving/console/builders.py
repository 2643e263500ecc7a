"""What a night leaves for people, small: the shapes that the jobs write."""

from pathlib import Path

from uplift.workspace import Workspace, write_document, write_text

HOSTILE = "<img src=x onerror=alert(1)>'\"&"


def estimate(value: float, reach: float) -> dict[str, float]:
    return {
        "estimate": value,
        "low": value - reach,
        "high": value + reach,
        "standard_error": reach / 2,
    }


def _proof(effect: float) -> dict[str, object]:
    return {
        "average_effect": estimate(effect, 0.01),
        "share_kept": {"share": 0.3, **estimate(0.83, 0.2)},
        "calibration": {"slope": estimate(0.92, 0.3), "is_rejected": False},
        "two_rankings": {
            "share": 0.3,
            "by_uplift": estimate(17.2, 7.0),
            "by_response": estimate(11.4, 8.0),
            "difference": estimate(5.8, 6.0),
            "in_random_order": estimate(6.2, 4.0),
        },
    }


REPORTS: dict[str, dict[str, object]] = {
    "experiment": {"verdict": "pass", "is_refused": False, "experiments": []},
    "monitoring": {
        "verdict": "warn",
        "checks": [
            {"name": "a", "verdict": "pass", "message": "all is well"},
            {"name": "b", "verdict": "warn", "message": f"`age` has moved: {HOSTILE}"},
        ],
        "migration": {
            "persuadable": {"persuadable": 80, "sleeping_dog": 3},
            "sleeping_dog": {"persuadable": 2, "sleeping_dog": 40},
        },
    },
    "allocation": {
        "level": 0.95,
        "budget_eur": 100.0,
        "expected_spend_eur": 98.0,
        "expected_incremental_profit_eur": 300.0,
        "expected_incremental_conversions": 15.0,
        "calibrated_incremental_profit_eur": estimate(280.0, 60.0),
        "arms": {"no_coupon": 200, "coupon_5": 60, "coupon_10": 40},
        "what_if": [
            {
                "budget_eur": 50.0 * i,
                "offers": 20 * i,
                "shadow_price": 1.0,
                "expected_profit_eur": 100.0 * i - 10.0 * i**2,
                "calibrated_profit_eur": estimate(95.0 * i - 10.0 * i**2, 10.0 * i),
            }
            for i in range(9)
        ],
    },
    "promotion": {
        "promoted": True,
        "consequence": "It serves as champion, version 2.",
        "reasons": ["The ranking beats chance.", HOSTILE],
    },
    "evaluation": {
        "level": 0.95,
        "gate_evidence": {"coupon_5": _proof(0.022), "coupon_10": _proof(0.04)},
        "policies": {"model": {"value": estimate(3.4, 0.2)}},
        "differences": [
            {"policy": "model", "against": "nobody", "value": estimate(0.42, 0.2)},
            {"policy": "model", "against": "everybody:coupon_5", "value": estimate(0.5, 0.3)},
        ],
    },
    "model_card": {
        "learner": "t_learner",
        "effects": {
            "coupon_5": {
                "age": {"importance": 0.012, "direction": -0.9},
                "city": {"importance": 0.034, "direction": None},
                "unused": {"importance": 0.0, "direction": None},
            }
        },
        "data": {"rows": 35091, "table": "training_set"},
        "features": ["age", "city"],
        "limits": ["Effects fade: train again."],
    },
}


def write_reports(root: Path) -> None:
    """As the jobs of a night do."""
    workspace = Workspace(root)
    for name, document in REPORTS.items():
        write_document(workspace.report(name), document)
    style = "<style>h1 { color: teal }</style>"
    page = f"<!doctype html><html lang=en><title>Evaluation</title>{style}<h1>Evaluation</h1>"
    write_text(workspace.page("evaluation"), page)
