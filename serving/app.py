"""The app: a factory that is handed its loader, so that a test hands in a service made by hand."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from serving import contract, errors, routes
from serving.limits import BodyLimit
from serving.service import DecisionService
from uplift import __version__

MAX_BODY_BYTES = 64 * 1024


def create_app(load_service: Callable[[], DecisionService]) -> FastAPI:
    """An app that loads its service before the first request and closes it at the end.

    No interactive pages: they would fetch their scripts from elsewhere. The contract stands in
    ``/openapi.json``.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = load_service()
        try:
            app.state.service = service
            yield
        finally:
            service.close()

    app = FastAPI(
        title="Uplift decisions",
        description="Which coupon, if any, for this customer now, and why.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    errors.install(app)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.include_router(routes.router)
    contract.install(app)
    return app
