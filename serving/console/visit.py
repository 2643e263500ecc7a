"""One request of a person: who asks, in which language, and how the page that answers is made."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlencode

from fastapi import Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from serving.console.session import COOKIE
from serving.console.words import LANGUAGES, Words, language_of
from serving.dependencies import InOffice
from serving.opening import Office
from uplift.pages.html import environment

LANGUAGE_COOKIE = "uplift_language"
SECURE = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
PAGES = ("tonight", "audience", "budget", "model", "customer")
STATIC = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_HERE = Path(__file__).parent


class SignInNeededError(Exception):
    """Nobody has signed in."""


class RefusedError(Exception):
    """A page cannot be shown, or a form not be followed; a page says why.

    Args:
        visit: Whose.
        status: Of the answer.
        problems: What is wrong, a sentence each.
    """

    def __init__(self, visit: "Visit", status: int, *problems: str) -> None:
        super().__init__(*problems)
        self.visit, self.status, self.problems = visit, status, problems


class Visit:
    """One request of a person.

    Args:
        request: What was asked.
        office: Everything behind the pages.
        owner: Id of the key that signed in; empty where none is needed, or on the way in.
    """

    def __init__(self, request: Request, office: Office, owner: str) -> None:
        self._request, self.office, self.owner = request, office, owner
        accepted = request.headers.get("accept-language", "")
        chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
        self.words = Words(language_of(chosen, accepted))

    def page(self, template: str, *, status: int = 200, **facts: object) -> HTMLResponse:
        """A page from its template."""
        request = self._request
        cookie = request.cookies.get(COOKIE, "")
        asked = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
        text = (
            _templates()
            .get_template(template)
            .render(
                t=self.words,
                pages=PAGES,
                path=request.url.path,
                in_other_language="?" + urlencode([*asked, ("lang", self.words.other)]),
                version=_static_version(),
                form_token=self.office.sessions.form_token(cookie),
                may_sign_out=not self.office.sessions.is_open,
                is_inside=self.office.sessions.owner(cookie) is not None,
                **facts,
            )
        )
        answer = HTMLResponse(text, status_code=status, headers=SECURE)
        if request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie(LANGUAGE_COOKIE, self.words.language, samesite="lax", httponly=True)
        return answer


async def _visit(request: Request, office: InOffice) -> Visit:
    owner = office.sessions.owner(request.cookies.get(COOKIE, ""))
    if owner is None:
        raise SignInNeededError
    return Visit(request, office, owner)


async def _sent_form(request: Request, office: InOffice) -> Visit:
    """A visit with a form that one of our own pages has sent."""
    visit = await _visit(request, office)
    form = await request.form()
    cookie = request.cookies.get(COOKIE, "")
    if not is_same_origin(request) or not office.sessions.is_ours(
        cookie, str(form.get("form_token", ""))
    ):
        raise RefusedError(visit, 403, visit.words("expired_form"))
    return visit


Visiting: TypeAlias = Annotated[Visit, Depends(_visit)]
Sending: TypeAlias = Annotated[Visit, Depends(_sent_form)]


def is_same_origin(request: Request) -> bool:
    """Whether the browser says that one of our own pages sent this; older browsers say nothing."""
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


async def ask_to_sign_in(request: Request, error: Exception) -> Response:
    """Where to go for who has not signed in."""
    return RedirectResponse("/console/sign-in", status_code=303)


async def say_why(request: Request, error: Exception) -> Response:
    """The page that says what is wrong."""
    if not isinstance(error, RefusedError):
        raise error
    return error.visit.page("problem.html", status=error.status, problems=error.problems)


@cache
def static_text(name: str) -> str:
    """A file that every page asks for."""
    ours = (_HERE / "static" / name).read_text(encoding="utf-8")
    if name != "console.css":
        return ours
    return str(_templates().get_template("house.css").render()) + ours


@cache
def _templates() -> Any:
    return environment("serving.console")


@cache
def _static_version() -> str:
    return hashlib.sha256("".join(map(static_text, STATIC)).encode()).hexdigest()[:12]


def forever() -> Mapping[str, str]:
    """Headers of a file whose address changes with its content."""
    return {
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
    }
