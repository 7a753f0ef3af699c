"""Feeds: what sinks publish, at secret addresses that applications fetch again and again.

    GET /feeds/{sink}/{token}.ics            everything
    GET /feeds/{sink}/{token}/{host}.ics     one host's part

The token in the address is all that is needed, as with webhooks; a wrong one is answered like a sink that
does not exist. The hub knows nothing of what is in a feed: the sink's adapter says how it is rendered.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.http import http_date
from adapters.publishing import Feed, audience_token
from hub.store import published
from hub.web.acting import services_of
from hub.web.problems import ProblemError
from hub.web.services import HubServices
from hub.web.wire import is_text

ROUTE = "/feeds/{sink}/{rest:path}"
MASK = "***"
_NOBODY = Feed((secrets.token_urlsafe(32),), "", "", timedelta(), lambda contents, audience: "")


async def serve(request: Request) -> Response:
    """A whole feed, or 304 if the caller has it already."""
    services = services_of(request)
    request.state.address = ROUTE
    sink, feed, audience = _opened(request, services)
    now = services.clock.now()
    page = await services.database.read(
        lambda session: published.page(session, sink=sink, audience=audience, now=now, past=feed.past)
    )
    body = feed.render(page.contents, audience).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    changed_at = _whole_second(max(page.changed_at or services.started_at, services.started_at), now)
    headers = {
        "ETag": etag,
        "Last-Modified": format_datetime(changed_at, usegmt=True),
        "Cache-Control": "private, no-cache",
    }
    if _is_known(request, etag, changed_at):
        return Response(status_code=304, headers=headers)
    named = {"Content-Disposition": f'inline; filename="{sink}{feed.suffix}"'}
    return Response(body, media_type=feed.media_type, headers=headers | named)


ROUTES = (Route(ROUTE, serve),)


def address(services: HubServices, sink: str, *, audience: str | None = None, masked: bool) -> str | None:
    """Where this sink's feed is to be had; with no public address known, that of this process."""
    feed = services.feeds.get(sink)
    if feed is None:
        return None
    base = services.settings.hub.public_url or services.url or ""
    token = feed.tokens[0] if audience is None else audience_token(feed.tokens[0], audience)
    part = "" if audience is None else f"/{quote(audience, safe='@')}"
    return f"{base}/feeds/{sink}/{MASK if masked else token}{part}{feed.suffix}"


async def addresses(services: HubServices, sink: str, *, masked: bool) -> Mapping[str, str] | None:
    """The addresses of the parts for one host each, by whoever has something in it."""
    feed = services.feeds.get(sink)
    if feed is None:
        return None
    since = services.clock.now() - feed.past
    names = await services.database.read(lambda session: published.audiences(session, sink=sink, since=since))
    return {name: address(services, sink, audience=name, masked=masked) or "" for name in names}


def _opened(request: Request, services: HubServices) -> tuple[str, Feed, str | None]:
    """The sink, its feed and the audience that is asked for, if the token is right."""
    sink, rest = request.path_params["sink"], request.path_params["rest"]
    feed = services.feeds.get(sink)
    # A sink that does not exist is compared with a token nobody has, so that it answers in the same time.
    suffix = (feed or _NOBODY).suffix
    token, separator, name = rest.removesuffix(suffix).partition("/")
    audience = name.strip().lower() if separator else None
    opens = (feed or _NOBODY).opens(token, audience)
    whole = rest.endswith(suffix) and (audience is None or is_text(audience))
    if feed is None or not opens or not whole:
        raise ProblemError("not-found", "no such feed", next="bookinghub sinks list")
    return sink, feed, audience


def _whole_second(moment: datetime, now: datetime) -> datetime:
    """Rounded up, so that nothing changes later in the second it names, and never after now."""
    ceiling = (moment + timedelta(microseconds=999_999)).replace(microsecond=0)
    return min(ceiling, now.replace(microsecond=0)).astimezone(UTC)


def _is_known(request: Request, etag: str, changed_at: datetime) -> bool:
    """Whether the caller's copy is this one; by its date only if it names no ETag (RFC 9110, 13.2.2)."""
    given = request.headers.get("if-none-match")
    if given is not None:
        known = {one.strip().removeprefix("W/") for one in given.split(",")}
        return "*" in known or etag in known
    since = http_date(request.headers.get("if-modified-since", ""))
    return since is not None and changed_at <= since
