"""Every page in a real browser: no complaint, nothing from elsewhere, open to everybody."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from serving.console.visit import PAGES
from tests.browser.builders import tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
SHOWN = [*PAGES, "customer?id=u018", "sign-in", "budget?lang=zh", "audience?top_n=many"]


def findings(page: "Page") -> list[dict[str, Any]]:
    """What axe finds serious or critical."""
    from axe_playwright_python.base import AXE_SCRIPT

    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run()")
    return [one for one in found["violations"] if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("path", SHOWN)
@pytest.mark.parametrize(("width", "dark"), [(1100, False), (390, False), (390, True)])
def test_every_page_is_open_to_everybody_and_asks_nobody_else(
    browser: "Browser", site: str, path: str, width: int, dark: bool
) -> None:
    with tab(browser, width=width, dark=dark) as opened:
        page = opened.page
        page.goto(f"{site}/{path}")
        assert all(url.startswith(site) for url in opened.fetched)
        assert page.locator("h1").count() == 1
        reach = page.evaluate("document.documentElement.scrollWidth")
        assert reach <= width, f"the page is {reach} wide"
        found = findings(page)
        assert not found, json.dumps(
            [(one["id"], [node["html"] for node in one["nodes"][:3]]) for one in found], indent=1
        )


def test_a_page_weighs_less_than_300_kb(browser: "Browser", site: str) -> None:
    for path in PAGES:
        with tab(browser) as opened:
            bodies: list[int] = []
            opened.page.on("response", lambda one, into=bodies: into.append(len(one.body())))
            opened.page.goto(f"{site}/{path}", wait_until="networkidle")
            assert sum(bodies) < 300_000
