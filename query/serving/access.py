"""Who may ask: whoever has the link that was printed, from this machine, once; then its browser's cookie."""

import secrets
from collections.abc import MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL = {"127.0.0.1", "localhost", "[::1]"}
# All that a page shows comes from here, whatever text of a lake is in it.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Access:
    """Lets requests through that carry the cookie, and exchanges the link's token for one, once.

    Names of other machines are refused too, so that a page elsewhere cannot have its name point here.

    Parameters
    ----------
    app
        What answers.
    port
        The port that is served; cookies know no ports, so it is in the cookie's name.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._cookie = f"neurolake-{port}"
        self._session = secrets.token_urlsafe(32)
        self.token: str | None = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Parameters
        ----------
        scope, receive, send
            Of ASGI.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                # Nothing of a lake stays in a browser; its own files do, and it asks whether they have changed.
                headers.setdefault(
                    "Cache-Control", "no-store" if scope["path"].startswith("/api/") else "no-cache"
                )
            await send(message)

        await (answer or self._app)(scope, receive, with_headers)

    def _answer(self, scope: Scope) -> ASGIApp | None:
        """What to answer instead of the application; None where the request may go on to it."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "").rsplit(":", 1)[0]
        if host not in _LOCAL:
            return _told(scope, 403, f"{host or 'a request without a host'} is not this machine")
        allowed = self._has_cookie(headers.get("cookie", ""))
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if not given:
            return None if allowed else _told(scope, 401, _MISSING)
        if not allowed and not self._spend(given[0]):
            return _told(scope, 401, _SPENT)
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        redirect = RedirectResponse(scope["path"] + (f"?{rest}" if rest else ""), 303)
        if not allowed:
            redirect.set_cookie(self._cookie, self._session, httponly=True, samesite="strict", path="/")
        return redirect

    def _spend(self, token: str) -> bool:
        if self.token is None or not secrets.compare_digest(token.encode(), self.token.encode()):
            return False
        self.token = None
        return True

    def _has_cookie(self, text: str) -> bool:
        try:
            found = SimpleCookie(text).get(self._cookie)
        except CookieError:
            return False
        return found is not None and secrets.compare_digest(found.value.encode(), self._session.encode())


_MISSING = "this page belongs to whoever started neurolake serve: open the link that it printed, with the token in it"
_SPENT = (
    "this link was opened once already, or is of another start: start neurolake serve again for a new one"
)


def _told(scope: MutableMapping[str, Any], status: int, text: str) -> ASGIApp:
    if scope["path"].startswith("/api/"):
        return JSONResponse({"error": text}, status)
    return PlainTextResponse(f"neurolake: {text}\n", status)
