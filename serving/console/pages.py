"""The pages: what is asked for, and the template that answers."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, RedirectResponse, Response

from serving.console import audiences
from serving.console.charts import best_point, bounds, budget_plot, nearest, profit, stacked
from serving.console.night import read_night
from serving.console.session import COOKIE, HOURS, Sessions
from serving.console.visit import (
    SECURE,
    STATIC,
    RefusedError,
    Sending,
    Visit,
    Visiting,
    forever,
    is_same_origin,
    static_text,
)
from serving.dependencies import InOffice
from serving.routes.customers import customer as about_customer
from serving.service import DecisionService
from serving.values import Ask, UnknownCustomerError
from uplift.audience.history import history
from uplift.audience.snapshot import run_of
from uplift.errors import UpliftError
from uplift.policy.segments import SEGMENTS
from uplift.workspace import Workspace

router = APIRouter(prefix="/console", include_in_schema=False)
router.include_router(audiences.router)


@router.get("")
async def start() -> Response:
    """The first page."""
    return RedirectResponse("/console/tonight")


@router.get("/sign-in")
async def sign_in_page(request: Request, office: InOffice) -> Response:
    """Where a key is shown."""
    return Visit(request, office, "").page("sign_in.html", refused=False)


@router.post("/sign-in")
async def sign_in(request: Request, office: InOffice, key: Annotated[str, Form()] = "") -> Response:
    """A key for a cookie."""
    sessions: Sessions = office.sessions
    cookie = sessions.sign_in(key) if is_same_origin(request) else None
    if cookie is None and not sessions.is_open:
        return Visit(request, office, "").page("sign_in.html", refused=True, status=403)
    answer = RedirectResponse("/console/tonight", status_code=303)
    if cookie:
        answer.set_cookie(
            COOKIE,
            cookie,
            max_age=HOURS * 3600,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/console",
        )
    return answer


@router.post("/sign-out")
async def sign_out(visit: Sending) -> Response:
    """Forget the cookie."""
    answer = RedirectResponse("/console/sign-in", status_code=303)
    answer.delete_cookie(COOKIE, path="/console")
    return answer


@router.get("/tonight")
async def tonight(visit: Visiting) -> Response:
    """When the data is from, whether it can be trusted, and the four segments."""
    facts = visit.office.desk.service.facts
    sizes = {name: facts.segments[name] for name in SEGMENTS}
    n = sum(size.customers for size in sizes.values()) or 1
    shares = [(name, size.customers / n) for name, size in sizes.items()]
    return visit.page(
        "tonight.html",
        facts=facts,
        run_id=visit.office.desk.service.run_id,
        sizes=sizes,
        shares=dict(shares),
        bar=stacked(shares),
        sure=await asyncio.to_thread(visit.office.exports.strong_evidence),
        night=await asyncio.to_thread(read_night, visit.office.workspace),
    )


@router.get("/budget")
async def budget(visit: Visiting) -> Response:
    """What a budget should bring, and where more stops paying."""
    night = await asyncio.to_thread(read_night, visit.office.workspace)
    points = night.allocation.what_if if night.allocation else ()
    return visit.page(
        "budget.html",
        allocation=night.allocation,
        control=visit.office.desk.service.model.arms.names[0],
        evaluation=night.evaluation,
        points=[
            {
                "budget": point.budget_eur,
                "offers": point.offers,
                "profit": profit(point),
                "low": bounds(point)[0],
                "high": bounds(point)[1],
            }
            for point in points
        ],
        plot=budget_plot(points),
        best=best_point(points),
        at_start=nearest(points, night.allocation.budget_eur if night.allocation else None),
    )


@router.get("/model")
async def model(visit: Visiting) -> Response:
    """Whether the model has proved itself, and how good it is."""
    workspace = visit.office.workspace
    return visit.page(
        "model.html",
        model=visit.office.desk.service.model,
        night=await asyncio.to_thread(read_night, workspace),
        has_report=workspace.page("evaluation").is_file(),
        champions=await asyncio.to_thread(_champions, workspace, visit.office.desk.service.run_id),
    )


@router.get("/reports/{name}")
async def report(name: str, visit: Visiting) -> Response:
    """A report of the night as it was written, with its own style and nothing else, in a sandbox.

    Its figures carry style attributes, which a policy can only let in as a whole; the page can run
    no script, load nothing and send no form.
    """
    path = visit.office.workspace.page(name)
    if name not in {page.stem for page in path.parent.glob("*.html")}:
        raise RefusedError(visit, 404, visit.words("not_found"))
    policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
    return FileResponse(path, headers={**SECURE, "content-security-policy": policy})


@router.get("/customer")
def customer(visit: Visiting, id: str = "") -> Response:
    """One customer: segment, effects, reasons, decision."""
    asked = id.strip()
    found = decision = None
    intervals: Mapping[str, tuple[float, float]] = {}
    problem, status = "", 200
    if asked:
        service = visit.office.desk.service
        try:
            found = about_customer(asked, visit.office, visit.owner)
            decision = service.decide(Ask(asked))
            intervals = uplift_intervals(service, found.uplift)
        except UnknownCustomerError:
            problem, status = visit.words("unknown_customer"), 404
        except UpliftError:
            problem, status = visit.words("store_closed"), 503
    return visit.page(
        "customer.html",
        customer=found,
        decision=decision,
        intervals=intervals,
        problem=problem,
        asked=asked,
        status=status,
    )


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Style, script and icon of the pages."""
    if name not in STATIC:
        raise HTTPException(404)
    return Response(static_text(name), media_type=STATIC[name], headers=forever())


@router.get("/{rest:path}")
async def nothing_there(rest: str, visit: Visiting) -> Response:
    """A page that does not exist."""
    raise RefusedError(visit, 404, visit.words("not_found"))


def uplift_intervals(
    service: DecisionService, uplift: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Measured effect on held-out customers of similar predicted effect, by coupon, where known."""
    known = service.policy.intervals.bins.get("conversion")
    if known is None:
        return {}
    found = {}
    for name, bins in zip(service.policy.arms.treatments, known, strict=True):
        low, high = bins.interval(np.array([uplift[name]]))
        if low[0] == low[0] and high[0] == high[0]:  # NaN: nobody can say
            found[name] = (float(low[0]), float(high[0]))
    return found


def _champions(workspace: Workspace, serving: str) -> list[tuple[str, str]]:
    """The models of the runs that are kept, the latest first: version, and since which data."""
    found: dict[str, str] = {}
    for run_id in history(workspace.published) or [serving]:
        facts = run_of(workspace.published, run_id).facts
        found.setdefault(facts.model_version, facts.as_of.strftime("%Y-%m-%d"))
    return list(reversed(found.items()))
