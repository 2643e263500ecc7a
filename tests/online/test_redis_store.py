"""Against a real server; each test has a campaign of its own and leaves nothing behind."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.online.builders import CUSTOMERS, Customer, batches, encoder
from tests.online.test_store import StoreContract
from uplift.errors import ConfigError, ContractError
from uplift.online.redis_client import answering, connect
from uplift.online.redis_store import RedisStore
from uplift.online.redis_versions import RedisVersions
from uplift.online.rows import Row, encoded_rows
from uplift.online.sqlite import SqliteStore, build_store
from uplift.online.store import FeatureStore

URL = os.environ.get("UPLIFT_REDIS", "redis://127.0.0.1:6379/0")
NAMES = ("age", "city")


@pytest.fixture
def client() -> Iterator[object]:
    client = connect(URL, timeout_seconds=2.0)
    try:
        client.ping()
    except OSError:
        pytest.skip(f"no Redis at {URL}; set UPLIFT_REDIS")
    except Exception as error:
        if type(error).__name__ != "ConnectionError":
            raise
        pytest.skip(f"no Redis at {URL}; set UPLIFT_REDIS")
    yield client
    client.close()


@pytest.fixture
def campaign(client) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex}"
    yield name
    for key in client.scan_iter(f"uplift:{name}:*"):
        client.delete(key)


def rows(customers: tuple[Customer, ...] = CUSTOMERS) -> list[Row]:
    return [row for batch in batches(customers) for row in encoded_rows(batch, encoder())]


def load(versions: RedisVersions, run_id: str, *, keep_seconds: int = 100, n: int = 4) -> None:
    version = versions.begin(run_id, features=NAMES, customers=n)
    versions.fill(run_id, version, rows()[:n])
    versions.swap(run_id, version, keep_seconds=keep_seconds)


class TestRedis(StoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, client, campaign) -> None:
        self.client, self.campaign = client, campaign

    def open(self, folder: Path, customers: tuple[Customer, ...]) -> FeatureStore:
        versions = RedisVersions(self.client, self.campaign)
        version = versions.begin("run", features=NAMES, customers=len(customers))
        versions.fill("run", version, rows(customers) if customers else [])
        versions.swap("run", version, keep_seconds=10)
        return RedisStore(connect(URL, timeout_seconds=2.0), self.campaign, "run")


def test_a_version_is_not_there_before_it_was_counted(client, campaign) -> None:
    versions = RedisVersions(client, campaign)
    version = versions.begin("new", features=NAMES, customers=4)
    versions.fill("new", version, rows()[:3])

    with pytest.raises(ContractError, match="holds 3 of 4 customers of run new"):
        versions.swap("new", version, keep_seconds=10)

    assert versions.current() is None
    with pytest.raises(ContractError, match="does not hold run 'new'"):
        RedisStore(client, campaign, "new")


def test_readers_of_the_old_version_read_on_until_it_expires(client, campaign) -> None:
    versions = RedisVersions(client, campaign)
    load(versions, "old")
    reader = RedisStore(connect(URL, timeout_seconds=2.0), campaign, "old")

    load(versions, "new", keep_seconds=50, n=2)

    assert versions.current() == "new"
    assert reader.get("007") is not None
    keys = list(client.scan_iter(f"uplift:{campaign}:old:*"))
    assert keys
    assert all(0 < client.ttl(key) <= 50 for key in keys)
    assert all(client.ttl(key) == -1 for key in client.scan_iter(f"uplift:{campaign}:new:*"))
    reader.close()


def test_a_later_swap_gives_an_old_version_no_more_time(client, campaign) -> None:
    versions = RedisVersions(client, campaign)
    for run_id, keep_seconds in (("a", 9), ("b", 20), ("c", 9000)):
        load(versions, run_id, keep_seconds=keep_seconds)
    assert all(client.ttl(key) <= 20 for key in client.scan_iter(f"uplift:{campaign}:a:*"))


def test_an_expired_version_is_forgotten(client, campaign) -> None:
    versions = RedisVersions(client, campaign)
    load(versions, "old")
    for key in client.scan_iter(f"uplift:{campaign}:old:*"):
        client.delete(key)  # as if its time had come
    load(versions, "new")
    assert set(versions.known()) == {"new"}


def test_what_a_killed_loader_left_is_deleted_by_the_next(client, campaign) -> None:
    versions = RedisVersions(client, campaign)
    version = versions.begin("killed", features=NAMES, customers=4)
    versions.fill("killed", version, rows())

    load(versions, "new")

    assert not list(client.scan_iter(f"uplift:{campaign}:killed:*"))
    assert set(versions.known()) == {"new"}


def test_a_version_begun_again_starts_from_nothing(client, campaign) -> None:
    """A customer who left since must not stay."""
    versions = RedisVersions(client, campaign)
    version = versions.begin("run", features=NAMES, customers=4)
    versions.fill("run", version, rows())
    load(versions, "run", n=2)
    assert RedisStore(client, campaign, "run").get("007") is None


def test_a_version_that_becomes_current_again_expires_no_longer(client, campaign) -> None:
    versions = RedisVersions(client, campaign)
    load(versions, "old")
    load(versions, "new")
    load(versions, "old")
    assert all(client.ttl(key) == -1 for key in client.scan_iter(f"uplift:{campaign}:old:*"))
    assert all(client.ttl(key) > 0 for key in client.scan_iter(f"uplift:{campaign}:new:*"))


def test_the_embedded_file_of_a_run_fills_redis_with_the_same_bits(
    client, campaign, tmp_path: Path
) -> None:
    build_store(tmp_path / "store", batches(CUSTOMERS), encoder())
    embedded = SqliteStore(tmp_path / "store")
    assert sorted(embedded.rows()) == sorted(rows())
    embedded.close()


def test_a_server_that_is_gone_is_one_sentence() -> None:
    nowhere = connect("redis://127.0.0.1:9/0", timeout_seconds=0.2)
    with (
        pytest.raises(ContractError, match=r"Redis does not do what it is asked .*embedded"),
        answering(),
    ):
        RedisVersions(nowhere, "c").known()


def test_an_address_that_is_none_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"`online\.redis\.url` is no address"):
        connect("http://127.0.0.1", timeout_seconds=1.0)
