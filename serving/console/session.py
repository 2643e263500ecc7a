"""Who is looking: a key shown once becomes a signed cookie, good for some hours.

The cookie holds the key's id and when it ends, sealed by a secret of the workspace; replicas that
share the workspace accept each other's. It is HttpOnly and SameSite=Strict; a form also carries a
token made from it, so that no other site can send one.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from serving.keys import KeyRing, Scope

COOKIE = "uplift_session"
HOURS = 12
_SCOPE: Scope = "export"


class Sessions:
    """Makes and reads session cookies.

    Args:
        secret_file: Made when it does not exist, for its owner alone.
        ring: The keys that may sign in; None: no key is needed.
        clock: Seconds since 1970.
    """

    def __init__(
        self, secret_file: Path, ring: KeyRing | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._ring, self._clock = ring, clock
        self._secret = _secret(secret_file)

    @property
    def is_open(self) -> bool:
        """Whether everybody may look."""
        return self._ring is None

    def sign_in(self, key: str) -> str | None:
        """A cookie for a key that may export; None: it may not."""
        found = None if self._ring is None else self._ring.find(key.strip())
        if found is None or _SCOPE not in found.scopes:
            return None
        ends = int(self._clock() + HOURS * 3600)
        return f"{found.id}.{ends}.{self._seal(f'session {found.id} {ends}')}"

    def owner(self, cookie: str) -> str | None:
        """Id of the key behind a cookie; None: it is worth nothing, or its key was revoked.

        Where no key is needed it is the empty id.
        """
        if self._ring is None:
            return ""
        key_id, _, rest = cookie.partition(".")
        ends, _, seal = rest.partition(".")
        if not _are_alike(seal, self._seal(f"session {key_id} {ends}")):
            return None
        if int(ends) < self._clock() or not self._ring.may(key_id, _SCOPE):
            return None
        return key_id

    def form_token(self, cookie: str) -> str:
        """What a form must carry that belongs to this session."""
        return self._seal(f"form {cookie}")

    def is_ours(self, cookie: str, token: str) -> bool:
        """Whether a form came from a page of this session."""
        return _are_alike(token, self.form_token(cookie))

    def _seal(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _are_alike(shown: str, real: str) -> bool:
    """In a time that tells nothing; whatever a browser sends has bytes, if not always ASCII."""
    return hmac.compare_digest(shown.encode(errors="replace"), real.encode())


def _secret(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()
