"""From a form to a file; what is wrong with a form stands on the page it came from."""

import html
import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.opening import Office
from tests.serving.builders import office
from tests.serving.console.builders import HOSTILE

FORM = {"segments": "persuadable", "evidence": "strong", "name": "spring", "format": "csv"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return office(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def client(opened: Office) -> Iterator[TestClient]:
    with TestClient(create_app(opened), follow_redirects=False) as client:
        yield client


def token(client: TestClient) -> str:
    found = re.search(r'name="form_token" value="(\w+)"', client.get("/console/audience").text)
    assert found
    return found[1]


def send(client: TestClient, **fields: str) -> tuple[int, str]:
    answer = client.post("/console/audience", data={**fields, "form_token": token(client)})
    return answer.status_code, html.unescape(answer.text)


def test_a_form_becomes_the_file_that_the_api_gives(client: TestClient, opened: Office) -> None:
    status, _ = send(client, **FORM)
    request = opened.exports.all_of("")[0]
    opened.exports.wait(request.id, seconds=20)
    listed = client.get("/console/audience/files").text
    link = f"/console/audience/files/{request.id}"
    assert status == 303
    assert f'<a href="{link}" download>' in listed
    order = {
        "name": "spring",
        "audience": {"segments": ["persuadable"], "evidence": ["strong"]},
    }
    theirs = client.post("/v1/exports?wait_seconds=20", json=order).json()
    ours = client.get(link)
    assert ours.status_code == 200
    assert ours.headers["content-disposition"].startswith("attachment")
    assert ours.content == client.get(theirs["file"]).content
    assert theirs["rows"] == ours.text.count("\n") - 1 > 10


def test_a_preview_counts_what_the_file_will_hold(client: TestClient) -> None:
    part = client.get("/console/audience", params={**FORM, "part": "preview"}).text
    order = {"name": "spring", "audience": {"segments": ["persuadable"], "evidence": ["strong"]}}
    expected = client.post("/v1/audiences/preview", json=order).json()
    assert f'<p class="big">{expected["customers"]:,} ' in part
    assert f"{expected['as_decided']['offers']:,}" in part
    assert "<html" not in part


def test_a_form_that_nobody_fits_says_so(client: TestClient) -> None:
    text = client.get("/console/audience?net_value_min=1e9&part=preview").text
    assert "Nobody fits" in text


BAD = {
    "top_n": ("many", "top_n: "),
    "budget_eur": ("-1", "budget_eur: "),
    "net_value_min": ("x", "net_value_eur: "),
    "segments": ("loyal", "segments: "),
    "coupons": ("coupon_7", "coupon_7"),
    "exclude": ("../../etc", "../../etc"),
    "name": (HOSTILE, "name: "),
}


@pytest.mark.parametrize("field", BAD)
def test_a_problem_names_its_culprit_on_the_page_that_it_came_from(
    client: TestClient, field: str
) -> None:
    value, culprit = BAD[field]
    status, text = send(client, **{field: value})
    assert status == 422
    alert = re.search(r'<p class="verdict fail" role="alert">(.*?)</p>', text, re.DOTALL)
    assert alert
    assert culprit.lower() in re.sub(r"</?code>", "", alert[1]).lower()
    assert 'id="audience"' in text
    shown = client.get("/console/audience", params={field: value, "part": "preview"})
    assert shown.status_code == 200
    assert 'role="alert"' in shown.text


def test_what_was_sent_comes_back_as_text(client: TestClient) -> None:
    answer = client.post(
        "/console/audience",
        data={"name": HOSTILE, "top_n": HOSTILE, "form_token": token(client)},
    )
    assert "<img" not in answer.text
    assert answer.text.count("&lt;img") >= 2


@pytest.mark.parametrize("name", ["' OR 1=1 --", '"; DROP TABLE run; --', "%s", "${x}", "{{7*7}}"])
def test_a_name_of_code_runs_nowhere(client: TestClient, name: str) -> None:
    for field in ("name", "coupons", "exclude", "segments"):
        status, text = send(client, **{field: name})
        assert status == 422
        assert "49" not in re.findall(r'role="alert">(.*?)</p>', text)[0]


def test_the_key_of_a_form_is_in_no_address(client: TestClient) -> None:
    """A preview is a GET, and its address ends in histories; the token goes with the post alone."""
    text = client.get("/console/audience").text
    buttons = re.findall(r"<button[^>]*name=\"form_token\"[^>]*>", text)
    assert len(buttons) == 1
    assert 'formmethod="post"' in buttons[0]
    hidden = r'<input type="hidden" name="form_token"'
    form = text[text.index('id="audience"') : text.index('id="preview"')]
    assert not re.search(hidden, form)


def test_a_file_that_is_not_under_way_cannot_be_cancelled(client: TestClient) -> None:
    for name in ("0" * 32, "x", "a.b"):
        answer = client.post(
            f"/console/audience/files/{name}/cancel", data={"form_token": token(client)}
        )
        assert answer.status_code == 404
