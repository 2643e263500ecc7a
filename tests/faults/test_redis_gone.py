"""Redis dies in the middle of a load: readers keep the old version, and the next load is whole."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from tests.online.builders import CUSTOMERS, batches, encoder
from uplift.errors import ContractError
from uplift.online.redis_client import answering, connect
from uplift.online.redis_store import RedisStore
from uplift.online.redis_versions import RedisSender, RedisVersions, Version


class Server:
    """A Redis of our own that can be killed, and keeps what it wrote before."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            ["redis-server", *options, "--appendonly", "yes", "--appendfsync", "always"],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                if connect(self.url, timeout_seconds=1.0).ping():
                    return
            except Exception:
                time.sleep(0.05)
        pytest.fail("the server did not start")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on this machine")
    server = Server(tmp_path)
    yield server
    server.kill()


def sender(url: str, run_id: str, version: Version) -> RedisSender:
    return RedisSender(url, 0.5, "coupon", run_id, version, encoder())


def test_a_load_cut_short_is_told_in_one_sentence_and_done_again_whole(server: Server) -> None:
    """Two pipelines arrive, the third finds nobody."""
    client = connect(server.url, timeout_seconds=1.0)
    versions = RedisVersions(client, "coupon")
    names = ("age", "city")
    old = versions.begin("old", features=names, customers=4)
    sender(server.url, "old", old)(iter(batches(CUSTOMERS)))
    versions.swap("old", old, keep_seconds=100)
    many = [(f"u{i}", True, float(i % 90), "Ulm") for i in range(60_000)]
    new = versions.begin("new", features=names, customers=len(many))

    def dies_on_the_way() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches(many, rows_per_batch=20_000)):
            if number == 2:
                assert versions.count("new", new) >= 20_000
                server.kill()
            yield batch

    with pytest.raises(ContractError, match=r"Redis does not do what it is asked"):
        sender(server.url, "new", new)(dies_on_the_way())
    server.start()

    assert versions.current() == "old"
    reader = RedisStore(connect(server.url, timeout_seconds=1.0), "coupon", "old")
    assert reader.get("ann") is not None
    with answering():
        again = versions.begin("new", features=names, customers=len(many))
        sender(server.url, "new", again)(iter(batches(many, rows_per_batch=20_000)))
        versions.swap("new", again, keep_seconds=100)
    assert versions.current() == "new"
    reader.close()
    client.close()
