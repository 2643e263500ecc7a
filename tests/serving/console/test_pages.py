"""Every page, with and without what a night leaves, for whoever the customers are."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.console.visit import PAGES
from tests.serving.builders import config, customers, office, publish_run, wide
from tests.serving.console.builders import HOSTILE, REPORTS, write_reports
from uplift.workspace import Workspace, write_document


def served(root: Path) -> TestClient:
    app = create_app(office(root))
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with served(tmp_path_factory.mktemp("bare")) as client:
        yield client


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """With all reports, and customers whose ids and cities are markup."""
    root, table = tmp_path_factory.mktemp("full"), customers()
    ids = [HOSTILE if i == 0 else name for i, name in enumerate(table["unit_id"].to_pylist())]
    publish_run(Workspace(root).published, table.set_column(0, "unit_id", pa.array(ids)))
    write_reports(root)
    with served(root) as client:
        yield client


@pytest.mark.parametrize("page", PAGES)
def test_every_page_answers_with_and_without_the_reports_of_a_night(
    bare: TestClient, full: TestClient, page: str
) -> None:
    for client in (bare, full):
        answer = client.get(f"/console/{page}")
        assert answer.status_code == 200
        assert f'<a href="/console/{page}" aria-current="page">' in answer.text
        assert "<img" not in answer.text


@pytest.mark.parametrize("page", ["tonight", "budget", "model"])
def test_a_page_says_what_the_night_has_not_left(
    bare: TestClient, full: TestClient, page: str
) -> None:
    missing = "The night has left no report of this"
    assert missing in bare.get(f"/console/{page}").text
    assert missing not in full.get(f"/console/{page}").text


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"verdict": 3, "checks": {}}', "\udcff"])
def test_a_damaged_report_costs_its_part_of_the_page_alone(
    tmp_path: Path, name: str, content: str
) -> None:
    write_reports(tmp_path)
    path = Workspace(tmp_path).report(name)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with served(tmp_path) as client:
        for page in PAGES:
            assert client.get(f"/console/{page}").status_code == 200


def test_tonight_says_what_the_night_found(full: TestClient) -> None:
    text = full.get("/console/tonight").text
    run = wide(customers())
    for segment in set(run["segment"].to_pylist()):
        rows = run.filter(pa.compute.equal(run["segment"], segment))
        strong = pa.compute.sum(pa.compute.equal(rows["evidence"], "strong")).as_py()
        assert f"{rows.num_rows:,} customers" in text
        assert f"Borne out by the data</abbr>: {100 * strong / rows.num_rows:.1f}&nbsp;%" in text
    assert "€280" in text
    assert "(€220 to €340)" in text
    assert "The experiment can be trusted." in text
    assert "<code>age</code> has moved" in text
    assert "All is well" not in text


def test_the_budget_page_reads_off_the_curve_where_money_stops_paying(full: TestClient) -> None:
    text = full.get("/console/budget").text
    assert "<strong>€250</strong>" in text  # 95 i - 10 i^2 is greatest at i = 5
    assert "a coupon for no one" in text
    assert "€420" in text


def test_the_model_page_says_how_the_model_was_proved(full: TestClient) -> None:
    text = full.get("/console/model").text
    for said in (
        "The model has proved itself.",
        "+2.20",
        "83.0&nbsp;%",
        "17.2",
        "11.4",
        "t learner",
    ):
        assert said in text
    assert "35,091 customers" in text
    assert text.index("<td>city") < text.index("<td>age") < text.index("lower: works better")
    assert "unused" not in text
    assert "since 2026-06-01" in text


def test_a_model_that_has_not_proved_itself_is_called_so(tmp_path: Path) -> None:
    write_document(Workspace(tmp_path).report("promotion"), {"promoted": False, "reasons": []})
    with served(tmp_path) as client:
        assert "No model has proved itself" in client.get("/console/model").text


def test_no_page_lets_in_what_a_policy_should_keep_out(full: TestClient) -> None:
    for path in [*PAGES, "audience?part=preview", "audience/files", "sign-in", "nothing"]:
        answer = full.get(f"/console/{path}")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        markup = re.findall(r"<[^>]*>", answer.text)
        assert not [tag for tag in markup if re.search(r"<style|\s(style|on\w+)=|script:", tag)]
        assert not [tag for tag in markup if re.search(r"""=["'](https?:)?//""", tag)]


def test_the_whole_report_comes_in_a_sandbox(full: TestClient, bare: TestClient) -> None:
    answer = full.get("/console/reports/evaluation")
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert 'href="/console/reports/evaluation"' in full.get("/console/model").text
    assert "reports/evaluation" not in bare.get("/console/model").text


@pytest.mark.parametrize(
    "path",
    [
        "reports/none",
        "reports/..%2F..%2Fkeys",
        "reports/evaluation.html",
        "nothing",
        "audience/files/..%2F..%2Fx",
        "audience/files/" + "0" * 32,
        "customer?id=nobody",
        "customer?id=..%2F..%2Fetc%2Fpasswd",
        "customer?id=' OR 1=1 --",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(full: TestClient, path: str) -> None:
    answer = full.get(f"/console/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert 'role="alert"' in answer.text


def test_static_files_are_those_three_alone(full: TestClient) -> None:
    for name in ("console.css", "console.js", "icon.svg"):
        answer = full.get(f"/console/static/{name}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert full.get("/console/static/..%2Fpages.py").status_code == 404
    assert full.get("/console/static/words.json").status_code == 404


def test_a_customer_is_explained(full: TestClient) -> None:
    row = next(row for row in wide(customers()).to_pylist() if row["decision"] == "coupon_5")
    text = full.get("/console/customer", params={"id": f" {row['unit_id']} "}).text
    assert "Buys only with a coupon" in text
    assert "<strong>What would be decided:</strong> coupon_5" in text
    assert f"+{100 * row['uplift_coupon_5']:.2f} points" in text
    sure = "sure" if row["evidence"] == "strong" else "not sure"
    assert f": <strong>{sure}</strong>" in text
    assert "+19.00 to" in text  # measured on held-out customers alike


def test_markup_in_an_id_stays_text(full: TestClient) -> None:
    answer = full.get("/console/customer", params={"id": HOSTILE})
    assert answer.status_code == 200
    assert "&lt;img src=x onerror=alert(1)&gt;" in answer.text
    assert "<img" not in answer.text


def test_the_language_is_the_browsers_until_one_chooses(full: TestClient) -> None:
    english = full.get("/console/budget")
    chinese = full.get("/console/budget", headers={"accept-language": "zh-CN,en;q=0.5"})
    chosen = full.get("/console/budget?lang=zh")
    remembered = full.get("/console/tonight")
    full.cookies.clear()
    assert '<html lang="en">' in english.text
    for answer in (chinese, chosen, remembered):
        assert '<html lang="zh">' in answer.text
        assert "预算" in answer.text
    assert full.get("/console/budget?lang=xx").text.count('lang="en"') == 1


def test_another_language_keeps_what_was_asked(full: TestClient) -> None:
    text = full.get("/console/customer?id=u001").text
    assert 'href="?id=u001&amp;lang=zh"' in text


def test_a_workspace_with_no_published_run_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from serving.__main__ import main
    from tests.conftest import ROOT

    assert not Workspace(config(tmp_path).workspace).published.exists()
    files = ["conf/base.yaml", "conf/campaigns/coupon.yaml"]
    arguments = [part for name in files for part in ("--config", str(ROOT / name))]
    status = main([*arguments, "--set", f"workspace={tmp_path}", "--set", "serving.port=1"])
    assert status == 2
    assert "Run `make demo`" in capsys.readouterr().err
