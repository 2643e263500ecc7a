"""What routes are handed."""

from typing import Annotated, cast

from fastapi import Depends, Request

from serving.service import DecisionService


async def _service(request: Request) -> DecisionService:
    return cast(DecisionService, request.app.state.service)


Service = Annotated[DecisionService, Depends(_service)]
