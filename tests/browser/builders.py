"""A tab that remembers every complaint of its page."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page


@dataclass
class Tab:
    """A page, what it complained of, and what it fetched."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)


@contextmanager
def tab(browser: "Browser", *, width: int = 1100, dark: bool = False, **how: Any) -> Iterator[Tab]:
    """A fresh tab; at the end it must have complained of nothing."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        locale="en-GB",
        **how,
    )
    page = context.new_page()
    opened = Tab(page)

    def listen(message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            opened.complaints.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("request", lambda request: opened.fetched.append(request.url))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('policy: ' + "
        "e.violatedDirective + ' ' + e.blockedURI))"
    )
    try:
        yield opened
        assert opened.complaints == []
    finally:
        context.close()
