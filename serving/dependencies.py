"""What routes are handed."""

from typing import Annotated, cast

from fastapi import Depends, Request

from serving.opening import Office


async def _office(request: Request) -> Office:
    return cast(Office, request.app.state.office)


InOffice = Annotated[Office, Depends(_office)]
