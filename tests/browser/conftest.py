"""A real Chromium and a really served small campaign, for each file of tests.

Not for the whole run: while the driver lives, its event loop runs in this thread, and tests that
start one of their own would fail.
"""

import importlib.util
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn

from serving.app import create_app
from tests.serving.builders import office
from tests.serving.console.builders import write_reports

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium of this machine; the tests skip where it or its driver is absent."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    for package in ("playwright", "axe_playwright_python"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; install the extra `dev`")
    if program is None:
        pytest.skip("no chromium on the path; install your system's package of that name")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the small campaign published, and all that a night leaves for people."""
    root = tmp_path_factory.mktemp("browser")
    write_reports(root)
    return root


@pytest.fixture(scope="module")
def site(browser: "Browser", root: Path) -> Iterator[str]:
    """Where the pages are served."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(create_app(office(root)), log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/console"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
