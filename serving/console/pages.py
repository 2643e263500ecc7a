"""The pages: what is asked for, and the template that answers."""

import asyncio
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Form, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from serving.console.charts import best_point, bounds, budget_plot, profit, stacked
from serving.console.forms import FORMATS, faults, order_of
from serving.console.night import read_night
from serving.console.session import COOKIE, HOURS, Sessions
from serving.console.words import LANGUAGES, Words, language_of
from serving.dependencies import InOffice
from serving.exporting import AudienceError, QueueFullError, UnknownExportError
from serving.opening import Office
from serving.routes.customers import customer as about_customer
from serving.values import Ask, UnknownCustomerError
from uplift.audience.outlook import Outlook
from uplift.pages.html import environment
from uplift.policy.segments import SEGMENTS

HERE = Path(__file__).parent
LANGUAGE_COOKIE = "uplift_language"
SECURE = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
PAGES = ("tonight", "audience", "budget", "model", "customer")

router = APIRouter(prefix="/console", include_in_schema=False)


class SignInNeededError(Exception):
    """Nobody has signed in; the page to go to afterwards is ``args[0]``."""


class Visit:
    """One request of a person: who, in which language, and how their page is made."""

    def __init__(self, request: Request, office: Office, owner: str) -> None:
        self._request, self.office, self.owner = request, office, owner
        accepted = request.headers.get("accept-language", "")
        chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
        self.words = Words(language_of(chosen, accepted))

    def page(self, template: str, *, status: int = 200, **facts: object) -> HTMLResponse:
        """A page from its template."""
        cookie = self._request.cookies.get(COOKIE, "")
        text = (
            _templates()
            .get_template(template)
            .render(
                t=self.words,
                pages=PAGES,
                path=self._request.url.path,
                version=_static_version(),
                form_token=self.office.sessions.form_token(cookie),
                may_sign_out=not self.office.sessions.is_open,
                **facts,
            )
        )
        answer = HTMLResponse(text, status_code=status, headers=SECURE)
        if self._request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie(LANGUAGE_COOKIE, self.words.language, samesite="lax", httponly=True)
        return answer


async def _visit(request: Request, office: InOffice) -> Visit:
    owner = office.sessions.owner(request.cookies.get(COOKIE, ""))
    if owner is None:
        raise SignInNeededError(request.url.path)
    return Visit(request, office, owner)


async def _sent_form(request: Request, office: InOffice) -> Visit:
    """A visit with a form that one of our own pages has sent."""
    visit = await _visit(request, office)
    form = await request.form()
    cookie = request.cookies.get(COOKIE, "")
    is_same_origin = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
    if not is_same_origin or not office.sessions.is_ours(cookie, str(form.get("form_token", ""))):
        raise HTTPException(403, visit.words("expired_form"))
    return visit


Visiting: TypeAlias = Annotated[Visit, Depends(_visit)]
Sending: TypeAlias = Annotated[Visit, Depends(_sent_form)]


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
    cookie = sessions.sign_in(key)
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
        night=await asyncio.to_thread(read_night, visit.office.workspace),
    )


@router.get("/audience")
async def audience(request: Request, visit: Visiting) -> Response:
    """A filter, what it would bring, and the files so far."""
    found, problems, order = await _previewed(request, visit)
    shown: dict[str, Any] = {"outlook": found, "problems": problems, "order": order}
    if request.query_params.get("part") == "preview":
        return visit.page("audience_preview.html", **shown)
    exports = await asyncio.to_thread(visit.office.exports.all_of, visit.owner)
    done = [request for request in exports if request.state == "done"]
    service = visit.office.desk.service
    return visit.page(
        "audience.html",
        **shown,
        segments=SEGMENTS,
        coupons=service.model.arms.treatments,
        formats=FORMATS,
        exports=[(one, visit.office.exports.progress(one)) for one in exports[:20]],
        earlier=list(dict.fromkeys(str(one.export_id) for one in done))[:20],
        form=request.query_params,
    )


@router.get("/audience/files")
async def files(visit: Visiting) -> Response:
    """The files so far, to be looked at again and again while one is written."""
    exports = await asyncio.to_thread(visit.office.exports.all_of, visit.owner)
    shown = [(one, visit.office.exports.progress(one)) for one in exports[:20]]
    return visit.page("audience_files.html", exports=shown)


@router.post("/audience")
async def write_file(request: Request, visit: Sending) -> Response:
    """Have the file written."""
    form = await request.form()
    try:
        order = order_of(form)
        await asyncio.to_thread(visit.office.exports.ask, order, owner=visit.owner)
    except ValidationError as error:
        return visit.page("problem.html", status=422, problems=faults(error))
    except (AudienceError, QueueFullError) as error:
        return visit.page("problem.html", status=422, problems=[str(error)])
    return RedirectResponse("/console/audience#files", status_code=303)


@router.post("/audience/files/{request_id}/cancel")
async def cancel(request_id: str, visit: Sending) -> Response:
    """Stop a file that is being written."""
    await asyncio.to_thread(visit.office.exports.cancel, request_id, owner=visit.owner)
    return RedirectResponse("/console/audience#files", status_code=303)


@router.get("/audience/files/{request_id}")
async def download(request_id: str, visit: Visiting) -> Response:
    """A file."""
    exports = visit.office.exports
    try:
        written = exports.written(exports.find(request_id, owner=visit.owner))
    except UnknownExportError as error:
        return visit.page("problem.html", status=404, problems=[str(error)])
    exports.record("export.downloaded", by=visit.owner or "no key", export_id=written.export_id)
    return FileResponse(written.file, filename=written.file.name)


@router.get("/budget")
async def budget(visit: Visiting) -> Response:
    """What a budget should bring, and where more stops paying."""
    night = await asyncio.to_thread(read_night, visit.office.workspace)
    points = night.allocation.what_if if night.allocation else ()
    return visit.page(
        "budget.html",
        allocation=night.allocation,
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
    )


@router.get("/model")
async def model(visit: Visiting) -> Response:
    """Whether the model has proved itself, and how good it is."""
    service = visit.office.desk.service
    return visit.page(
        "model.html",
        model=service.model,
        night=await asyncio.to_thread(read_night, visit.office.workspace),
        has_report=visit.office.workspace.page("evaluation").is_file(),
    )


@router.get("/reports/{name}")
async def report(name: str, visit: Visiting) -> Response:
    """A report of the night as it was written; its own style is let in by its digest."""
    path = visit.office.workspace.page(name)
    known = {page.stem for page in path.parent.glob("*.html")}
    if name not in known:
        return visit.page("problem.html", status=404, problems=[visit.words("not_found")])
    return FileResponse(
        path,
        headers={
            **SECURE,
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        },
    )


@router.get("/customer")
async def customer(visit: Visiting, id: str = "") -> Response:
    """One customer: segment, effects, reasons, decision."""
    found, decision, problem = None, None, ""
    if id:
        try:
            found = await asyncio.to_thread(about_customer, id, visit.office, visit.owner)
            decision = visit.office.desk.service.decide(Ask(id))
        except UnknownCustomerError:
            problem = visit.words("unknown_customer")
    return visit.page(
        "customer.html",
        customer=found,
        decision=decision,
        problem=problem,
        asked=id,
        status=404 if problem else 200,
    )


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Style and script of the pages."""
    if name == "console.css":
        style = _templates().get_template("house.css").render() + _static("console.css")
        return Response(style, media_type="text/css", headers=_forever())
    if name == "console.js":
        return Response(_static(name), media_type="text/javascript", headers=_forever())
    raise HTTPException(404)


async def ask_to_sign_in(request: Request, error: Exception) -> Response:
    """Where to go for who has not signed in."""
    return RedirectResponse("/console/sign-in", status_code=303)


async def _previewed(
    request: Request, visit: Visit
) -> tuple[Outlook | None, list[str], Mapping[str, object]]:
    try:
        order = order_of(request.query_params)
    except ValidationError as error:
        return None, faults(error), {}
    try:
        found = await asyncio.to_thread(visit.office.exports.preview, order)
    except AudienceError as error:
        return None, [str(error)], order.model_dump(mode="json")
    return found, [], order.model_dump(mode="json")


@cache
def _templates() -> Any:
    return environment("serving.console")


@cache
def _static(name: str) -> str:
    return (HERE / "static" / name).read_text(encoding="utf-8")


@cache
def _static_version() -> str:
    style = _templates().get_template("house.css").render() + _static("console.css")
    return hashlib.sha256((style + _static("console.js")).encode()).hexdigest()[:12]


def _forever() -> Mapping[str, str]:
    return {"cache-control": "public, max-age=31536000, immutable"}
