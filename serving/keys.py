"""API keys: made, revoked and listed here; only digests are stored.

    python -m serving.keys make --scope decide --scope score --days 90
    python -m serving.keys list
    python -m serving.keys revoke 3f9a0c12

A running service sees the change within a second. A key is shown once, when it is made. Rotate by
making the new one, handing it out, then revoking the old one.
"""

import fcntl
import hashlib
import hmac
import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from pydantic import TypeAdapter, ValidationError

from uplift.config.options import config_named_by, option_parser
from uplift.errors import ContractError, UpliftError
from uplift.workspace import Workspace, write_document

Scope: TypeAlias = Literal["decide", "score", "export", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_PREFIX = "upk"
_LOOK_SECONDS = 1.0
_NOBODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Key:
    """What is stored of a key.

    Attributes:
        id: Its public part.
        sha256: Digest of its secret part. The secret has 256 random bits: a slow digest would add
            nothing.
        scopes: What it may do.
        created_at: ISO 8601.
        expires_at: ISO 8601; None: never.
        requests_per_second: Its own limit; None: that of the configuration.
        note: For people.
    """

    id: str
    sha256: str
    scopes: tuple[Scope, ...]
    created_at: str
    expires_at: str | None = None
    requests_per_second: float | None = None
    note: str = ""

    def has_expired(self, now: datetime) -> bool:
        """Whether it is past its time."""
        return self.expires_at is not None and datetime.fromisoformat(self.expires_at) <= now


_KEYS = TypeAdapter(tuple[Key, ...])


def read_keys(path: Path) -> tuple[Key, ...]:
    """The stored keys; a file that does not exist holds none.

    Raises:
        ContractError: The file is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ContractError(f"the keys in {path} cannot be read ({error.strerror}).") from error
    try:
        return _KEYS.validate_python(json.loads(content)["keys"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise ContractError(
            f"{path} is no file of keys. Restore it, or move it away and make new keys with "
            "`python -m serving.keys make`."
        ) from error


def make_key(
    path: Path,
    scopes: Sequence[Scope],
    *,
    days: float | None = None,
    requests_per_second: float | None = None,
    note: str = "",
) -> str:
    """Add a key to the file and return it; nobody can read it again."""
    now = datetime.now(UTC)
    secret, key_id = secrets.token_urlsafe(32), secrets.token_hex(4)
    key = Key(
        id=key_id,
        sha256=_digest(secret),
        scopes=tuple(scope for scope in SCOPES if scope in scopes),
        created_at=now.isoformat(timespec="seconds"),
        expires_at=None
        if days is None
        else (now + timedelta(days=days)).isoformat(timespec="seconds"),
        requests_per_second=requests_per_second,
        note=note,
    )
    with _changing(path):
        _write(path, (*read_keys(path), key))
    return f"{_PREFIX}_{key_id}_{secret}"


def revoke_key(path: Path, key_id: str) -> None:
    """Take a key out of the file.

    Raises:
        ContractError: There is none with this id.
    """
    with _changing(path):
        keys = read_keys(path)
        kept = tuple(key for key in keys if key.id != key_id)
        if len(kept) == len(keys):
            raise ContractError(
                f"there is no key {key_id!r} in {path}; it holds {[key.id for key in keys]}."
            )
        _write(path, kept)


class KeyRing:
    """The keys as they stand in the file now. Looks at the file once a second.

    A file that is damaged while the service runs changes nothing: the keys known before stay.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._stamp: object = self._stamp_of_file()
        self._keys = {key.id: key for key in read_keys(path)}
        self._looked = clock()

    @property
    def is_empty(self) -> bool:
        """Whether nobody has a key."""
        return not self._current()

    def find(self, text: str) -> Key | None:
        """The key that a caller shows, if it is one of ours and has not expired.

        Comparing takes the same time for a wrong secret and for an unknown id.
        """
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._current().get(key_id)
        is_right = hmac.compare_digest(_digest(secret), key.sha256 if key else _NOBODY)
        if key is None or not is_right or prefix != _PREFIX or key.has_expired(datetime.now(UTC)):
            return None
        return key

    def may(self, key_id: str, scope: Scope) -> bool:
        """Whether the key of this id still stands and is good for ``scope``."""
        key = self._current().get(key_id)
        return key is not None and scope in key.scopes and not key.has_expired(datetime.now(UTC))

    def _current(self) -> Mapping[str, Key]:
        now = self._clock()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked, stamp = now, self._stamp_of_file()
            if stamp != self._stamp:
                try:
                    self._keys = {key.id: key for key in read_keys(self._path)}
                    self._stamp = stamp
                except ContractError:
                    pass
        return self._keys

    def _stamp_of_file(self) -> object:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ino, found.st_size)


def main(argv: Sequence[str] | None = None) -> int:
    """Make, list or revoke; the exit status is 2 after an error, which goes to stderr in a line."""
    parser = option_parser(__doc__, prog="python -m serving.keys")
    actions = parser.add_subparsers(dest="action", required=True)
    make = actions.add_parser("make", help="make a key and print it, once")
    make.add_argument("--scope", action="append", choices=SCOPES, required=True, dest="scopes")
    make.add_argument("--days", type=float, help="until it expires (default: never)")
    make.add_argument("--requests-per-second", type=float, help="its own limit")
    make.add_argument("--note", default="", help="whose it is")
    actions.add_parser("list", help="print what is known of the keys")
    actions.add_parser("revoke", help="make a key worthless").add_argument("id")
    options = parser.parse_args(argv)
    try:
        config = config_named_by(options)
        path = config.serving.keys.file or Workspace(config.workspace).keys
        if options.action == "make":
            shown = make_key(
                path,
                options.scopes,
                days=options.days,
                requests_per_second=options.requests_per_second,
                note=options.note,
            )
            sys.stdout.write(f"{shown}\n")
        elif options.action == "revoke":
            revoke_key(path, options.id)
        else:
            for key in read_keys(path):
                expires = key.expires_at or "never"
                sys.stdout.write(
                    f"{key.id}  {','.join(key.scopes)}  expires {expires}  {key.note}\n"
                )
    except UpliftError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 2
    return 0


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _write(path: Path, keys: Sequence[Key]) -> None:
    write_document(path, {"keys": [asdict(key) for key in keys]})
    path.chmod(0o600)


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Two changes at once come one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
