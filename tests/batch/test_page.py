import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from tests.monitoring.test_night import limits
from tests.monitoring.test_night import night as observed
from uplift.batch.page import render_night
from uplift.batch.report import Night, segment_rows
from uplift.batch.walk import Done
from uplift.monitoring.holdout import Conversions, PolicyEffect
from uplift.monitoring.night import judge_night

ALLOCATION = {
    "customers": 1000,
    "expected_spend_eur": 1234.5,
    "budget_eur": None,
    "expected_incremental_profit_eur": 99.0,
    "expected_incremental_conversions": 12.3,
}


def the_night() -> Night:
    return Night(
        campaign_id="coupon",
        as_of="2026-06-01T00:00:00+00:00",
        run_id="20260601-0123456789ab",
        steps=[
            Done("score_customers", "ran", "the code changed", 1000, 1000, 12.5, 850.0),
            Done("export_segments", "skipped"),
        ],
        segments=segment_rows(
            {"persuadable": (400, 100), "sure_thing": (600, 0)}, {"persuadable": 350}
        ),
        allocation=ALLOCATION,
        monitoring=judge_night(observed(), limits()).to_document(),
        error=None,
    )


def test_the_page_says_what_happened_and_is_well_formed() -> None:
    page = render_night(the_night())
    ElementTree.fromstring(
        page.replace("<!doctype html>", "")
        .replace("&nbsp;", " ")
        .replace('<meta charset="utf-8">', "")
        .replace("<meta ", "<x ")
        .replace('">\n<x', '"/>\n<x')
        .replace("unsafe-inline'\">", "unsafe-inline'\"/>")
    )
    for part in (
        "Tonight is published.",
        "1,234.50\N{NO-BREAK SPACE}€",
        "+50",
        "+600",
        "score_customers",
        "12.5 s",
        "850",
    ):
        assert part in page


def test_what_targeting_added_is_told_where_it_is_known() -> None:
    effect = PolicyEffect(Conversions(100, 10), Conversions(1000, 120), window_days=14)
    monitoring = judge_night(observed(effect=effect), limits()).to_document()
    page = render_night(replace(the_night(), monitoring=monitoring))
    assert "targeting added +2.00 points (standard error" in page


def test_the_first_night_has_nothing_to_compare_with() -> None:
    first = replace(the_night(), segments=segment_rows({"persuadable": (4, 1)}, None))
    assert "first night" in render_night(first)


def test_a_failed_night_says_so_first_and_what_readers_have() -> None:
    failed = replace(the_night(), error="disk <full>. Make room")
    page = render_night(failed)
    assert failed.status == "failed"
    assert "Readers keep the last run" in page
    assert "Disk &lt;full&gt;. Make room." in page


def test_a_doubt_is_in_the_headline() -> None:
    monitoring = {**(the_night().monitoring or {}), "verdict": "warn"}
    assert "with doubts" in render_night(replace(the_night(), monitoring=monitoring))


def test_a_night_that_failed_at_once_still_has_a_page() -> None:
    nothing = Night("coupon", None, None, [], [], None, None, "no log")
    assert "an unknown day" in render_night(nothing)


def test_a_night_of_skips_is_unchanged() -> None:
    steps = [Done("export_segments", "skipped")]
    assert replace(the_night(), steps=steps).status == "unchanged"


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = render_night(the_night())
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("name", ["<b>", "a&b"])
def test_names_are_text(name: str) -> None:
    assert name not in render_night(replace(the_night(), campaign_id=name))


def test_the_document_holds_the_steps_and_the_changes() -> None:
    document = the_night().to_document()
    assert document["status"] == "finished"
    assert document["segments"] == [  # type: ignore[comparison-overlap]
        {"name": "persuadable", "customers": 400, "offers": 100, "before": 350, "change": 50},
        {"name": "sure_thing", "customers": 600, "offers": 0, "before": 0, "change": 600},
    ]
