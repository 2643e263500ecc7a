"""What a person does with the pages: by keyboard, by eye, in two languages, to a file on disk."""

import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tests.browser.builders import tab
from tests.serving.builders import customers, wide

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
FOCUS = "(e => `${e.tagName} ${e.name || ''} ${e.value || e.textContent}`)(document.activeElement)"


def count(page: "Page") -> int:
    return int(page.locator("#preview .big").inner_text().split()[0].replace(",", ""))


def tab_to(page: "Page", wanted: str) -> None:
    """Press Tab until the focus is there; every stop on the way shows where it is."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if re.search(wanted, str(page.evaluate(FOCUS))):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")


def test_the_keyboard_alone_makes_a_file(browser: "Browser", site: str, tmp_path: "Path") -> None:
    run = wide(customers()).to_pandas()
    expected = run[(run.segment == "persuadable") & run.contactable & (run.reason != "holdout")]
    with tab(browser) as opened:
        page = opened.page
        page.goto(f"{site}/audience", wait_until="networkidle")
        everybody = count(page)
        tab_to(page, "^INPUT segments persuadable")
        with page.expect_response(re.compile("part=preview")):
            page.keyboard.press("Space")
        page.wait_for_function("!document.querySelector('#preview').hasAttribute('aria-busy')")
        assert count(page) == len(expected) < everybody
        tab_to(page, "^INPUT name ")
        page.keyboard.press("Control+A")
        page.keyboard.type("by-hand")
        tab_to(page, "^BUTTON form_token")
        page.keyboard.press("Enter")
        row = page.locator('#files tr[data-state="done"]', has_text="by-hand")
        row.wait_for()
        tab_to(page, "^A  Download")
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        target = tmp_path / download.value.suggested_filename
        download.value.save_as(target)
    found = pd.read_csv(target)
    assert sorted(found.unit_id) == sorted(expected.unit_id)
    assert "by-hand" in target.name


def test_the_first_stop_of_the_keyboard_leads_past_the_menu(browser: "Browser", site: str) -> None:
    with tab(browser) as opened:
        page = opened.page
        page.goto(f"{site}/tonight")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


def test_what_is_wrong_with_a_form_is_said_while_one_types(browser: "Browser", site: str) -> None:
    with tab(browser) as opened:
        page = opened.page
        page.goto(f"{site}/audience", wait_until="networkidle")
        page.get_by_label("At most so many").fill("many")
        page.locator("#preview [role=alert]", has_text="top_n").wait_for()
        page.get_by_label("At most so many").fill("7")
        page.locator("#preview .big", has_text=re.compile("^7 ")).wait_for()
        assert page.locator("#preview [role=alert]").count() == 0


def test_the_slider_reads_off_the_curve(browser: "Browser", site: str) -> None:
    with tab(browser) as opened:
        page = opened.page
        page.goto(f"{site}/budget")
        slider, reading = page.get_by_role("slider"), page.locator("#budget-now")
        assert reading.inner_text() == "€100 should bring €150 (€130 to €170)"
        slider.focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert reading.inner_text() == "€250 should bring €225 (€175 to €275)"
        assert slider.get_attribute("aria-valuetext") == reading.inner_text()
        assert page.locator("#budget-mark").get_attribute("x1") == "62.5"


def test_the_language_changes_and_stays(browser: "Browser", site: str) -> None:
    with tab(browser) as opened:
        page = opened.page
        page.goto(f"{site}/tonight")
        page.get_by_text("中文").click()
        page.get_by_role("link", name="预算").click()
        page.wait_for_url(re.compile("/budget"))
        assert page.locator("html").get_attribute("lang") == "zh"
        assert page.locator("h1").inner_text() == "预算"


def test_the_pages_work_without_script(browser: "Browser", site: str) -> None:
    with tab(browser, java_script_enabled=False) as opened:
        page = opened.page
        page.goto(f"{site}/audience")
        page.get_by_label("Buys only with a coupon").check()
        page.get_by_role("button", name="Preview").click()
        assert "segments=persuadable" in page.url
        assert "form_token" not in page.url
        assert page.get_by_label("Buys only with a coupon").is_checked()
        page.goto(f"{site}/budget")
        page.get_by_text("All numbers").click()
        assert page.get_by_role("row", name="€250").is_visible()


def test_a_preview_that_fails_leaves_the_last_one_and_a_slow_one_never_wins(
    browser: "Browser", site: str
) -> None:
    with tab(browser) as opened:
        page = opened.page
        page.goto(f"{site}/audience", wait_until="networkidle")
        before = count(page)
        page.route("**/audience?*part=preview*", lambda route: route.fulfill(status=500, body="x"))
        with page.expect_response(re.compile("part=preview")):
            page.get_by_label("At most so many").fill("5")
        assert count(page) == before
        complaint = "Failed to load resource: the server responded with a status of 500"
        assert all(said.startswith(complaint) for said in opened.complaints)
        opened.complaints.clear()
