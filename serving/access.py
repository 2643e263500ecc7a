"""Who may ask for what. Without any key everybody may: then only loopback is served."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from serving.errors import KeyMissingError, RateError, ScopeError
from serving.keys import KeyRing, Scope
from serving.rates import Rates

_BEARER = "bearer "
Check: TypeAlias = Callable[[Request], Awaitable[str]]


class Gate:
    """Checks the key of a request.

    Args:
        ring: The keys; None: nobody needs one.
        rates: How often each may ask.
    """

    def __init__(self, ring: KeyRing | None, rates: Rates) -> None:
        self._ring, self._rates = ring, rates

    @property
    def is_open(self) -> bool:
        """Whether no key is needed."""
        return self._ring is None

    def admit(self, authorization: str, scope: Scope | None) -> str:
        """The id of the key in this header, if it opens the door; empty where none is needed.

        Args:
            authorization: The header, or nothing.
            scope: What the key must be good for; None: any key will do.

        Raises:
            KeyMissingError: There is no key, or it is worth nothing.
            ScopeError: The key is good for other things.
            RateError: The key asks too often.
        """
        if self._ring is None:
            return ""
        shown = authorization[len(_BEARER) :] if authorization.lower().startswith(_BEARER) else ""
        key = self._ring.find(shown.strip())
        if key is None:
            raise KeyMissingError(
                "send a key that is known and has not expired: `authorization: Bearer upk_...`."
            )
        if scope is not None and scope not in key.scopes:
            raise ScopeError(f"the key {key.id} is good for {list(key.scopes)}, not for {scope!r}.")
        seconds = self._rates.wait(key.id, key.requests_per_second)
        if seconds:
            raise RateError(seconds)
        return key.id


def _needs(scope: Scope | None) -> Check:
    async def check(request: Request) -> str:
        gate: Gate = request.app.state.gate
        return gate.admit(request.headers.get("authorization", ""), scope)

    return check


MayDecide = Annotated[str, Depends(_needs("decide"))]
MayScore = Annotated[str, Depends(_needs("score"))]
MayExport = Annotated[str, Depends(_needs("export"))]
MayAdminister = Annotated[str, Depends(_needs("admin"))]
HasKey = Annotated[str, Depends(_needs(None))]
