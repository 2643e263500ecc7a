"""The app: a factory that is handed all that answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from serving import contract, errors, routes
from serving.console import pages, visit
from serving.door import Door
from serving.opening import Office
from uplift import __version__


def create_app(office: Office) -> FastAPI:
    """An app over what was opened; it is closed when the app stops.

    No interactive pages: they would fetch their scripts from elsewhere. The contract stands in
    ``/openapi.json``.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with office.at_work():
            yield

    app = FastAPI(
        title="Uplift decisions",
        description="Which coupon, if any, for this customer now, and why.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.office, app.state.gate = office, office.gate
    errors.install(app)
    app.add_middleware(
        Door,
        limits=office.settings.limits,
        traffic=office.traffic,
        metrics=office.metrics,
        log_requests=office.settings.log_requests,
    )
    app.include_router(routes.router)
    app.include_router(pages.router)
    app.add_exception_handler(visit.SignInNeededError, visit.ask_to_sign_in)
    app.add_exception_handler(visit.RefusedError, visit.say_why)
    contract.install(app, needs_key=not office.gate.is_open, service_of=lambda: office.desk.service)
    return app
