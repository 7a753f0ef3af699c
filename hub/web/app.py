"""The web application of one hub: the door, feeds, health, metrics, the API and its description."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.commands.errors import RefusedCommandError
from hub.errors import LogError, StoreError
from hub.web import docs_page, feeds, health, metrics
from hub.web.acting import API, services_of
from hub.web.api import (
    asking_providers,
    bookings,
    commands,
    config,
    contacts,
    deliveries,
    events,
    hub,
    inbox,
    issues,
    operations,
    plans,
    polls,
    projections,
    ranges,
    sim,
    sinks,
    sources,
    tokens,
)
from hub.web.auth import authenticate_off_loopback
from hub.web.edge import Edge
from hub.web.fact_counts import FactCounts
from hub.web.problems import ProblemError, answer
from hub.web.seeing import look
from hub.web.services import HubServices
from hub.web.wire import encode

DOOR = "/webhooks/"
ROUTERS = (
    hub.router,
    config.router,
    bookings.router,
    commands.router,
    asking_providers.router,
    ranges.router,
    contacts.router,
    events.router,
    inbox.router,
    deliveries.router,
    sinks.router,
    plans.router,
    sources.router,
    polls.router,
    projections.router,
    operations.router,
    issues.router,
    tokens.router,
    sim.router,
)
_HANDLED = (
    ProblemError,
    RefusedCommandError,
    RequestValidationError,
    HTTPException,
    LogError,
    StoreError,
    Exception,
)


def build_app(services: HubServices) -> ASGIApp:
    """Everything that is served on `http.listen`."""
    api = FastAPI(
        title="bookinghub",
        version=services.version,
        description="Bookings kept true everywhere: what happened to a booking, and is everything in step.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers=dict.fromkeys(_HANDLED, answer),
    )
    api.state.services = services
    api.state.fact_counts = FactCounts()
    for router in ROUTERS:
        api.include_router(router, prefix=API)
    api.router.routes.extend((*health.ROUTES, *feeds.ROUTES))
    _add_pages(api)
    return _with_door(services, Edge(api))


def build_webhook_app(services: HubServices) -> ASGIApp:
    """What is served on `http.webhook_listen`, the port to expose: the door, feeds and health."""
    app = Starlette(
        routes=[*health.ROUTES, *feeds.ROUTES], exception_handlers=dict.fromkeys(_HANDLED, answer)
    )
    app.state.services = services
    return _with_door(services, Edge(app))


def _with_door(services: HubServices, rest: ASGIApp) -> ASGIApp:
    """Webhooks go straight to the door: the framework's routing would halve its speed."""
    door = services.webhook_app

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if door is not None and scope["type"] == "http" and scope["path"].startswith(DOOR):
            await door(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return dispatch


def _add_pages(api: FastAPI) -> None:
    @api.get("/metrics", include_in_schema=False)
    async def show_metrics(request: Request) -> Response:
        services = services_of(request)
        await authenticate_off_loopback(request, services)
        if services.metrics is None:
            raise ProblemError("not-supported", "this process keeps no metrics", next="bookinghub run")
        text = metrics.render(services, services.metrics, await look(request))
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    @api.get("/openapi.json", include_in_schema=False)
    async def show_openapi(request: Request) -> Response:
        await authenticate_off_loopback(request, services_of(request))
        return Response(encode(api.openapi()), media_type="application/json")

    @api.get("/docs", include_in_schema=False)
    async def show_docs(request: Request) -> Response:
        await authenticate_off_loopback(request, services_of(request))
        return HTMLResponse(docs_page.page(api.openapi()))

    @api.get("/docs/style.css", include_in_schema=False)
    async def show_style(request: Request) -> Response:
        return Response(docs_page.STYLE, media_type="text/css")
