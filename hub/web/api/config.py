"""The configuration: in effect, beside its files, and taking them over."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub.errors import ConfigError
from hub.settings.report import check_command
from hub.web.acting import SCOPE, HubRoute, services_of
from hub.web.asking import answer, gives, read_object, refuse_rest, take_flag, take_text
from hub.web.hub_objects import ChangeObject, ConfigObject, EffectObject, ReloadObject
from hub.web.present import shown
from hub.web.problems import ProblemError
from hub.web.services import HubServices, PreviewOutdatedError, Reloaded

router = APIRouter(route_class=HubRoute, tags=["config"])


@router.get("/config", responses=gives(ConfigObject))
async def show_config(request: Request) -> Response:
    """The effective configuration, secrets masked."""
    return answer({"config": dict(services_of(request).masked_config())})


@router.get("/config/diff", responses=gives(ReloadObject))
async def show_difference(request: Request) -> Response:
    """What the files say otherwise, and what a reload would do to the targets."""
    services = services_of(request)
    return answer(_object(services, await _reload(services, dry_run=True, preview=None), dry_run=True))


@router.post("/config/reload", responses=gives(ReloadObject), openapi_extra={SCOPE: "admin"})
async def reload_config(request: Request) -> Response:
    """Take the files over; the `preview` of a dry run insists on what was shown."""
    services = services_of(request)
    body = await read_object(request)
    dry_run, preview = take_flag(body, "dry_run"), take_text(body, "preview")
    refuse_rest(body)
    reloaded = await _reload(services, dry_run=dry_run, preview=preview)
    return answer(_object(services, reloaded, dry_run=dry_run))


async def _reload(services: HubServices, *, dry_run: bool, preview: str | None) -> Reloaded:
    if services.reload is None:
        raise ProblemError("not-supported", "no hub runs here", next="bookinghub run")
    try:
        return await services.reload(dry_run=dry_run, preview=preview)
    except PreviewOutdatedError as error:
        raise ProblemError("preview-outdated", str(error), next="bookinghub config diff") from error
    except ConfigError as error:
        raise _refused(services, error) from error


def _refused(services: HubServices, error: ConfigError) -> ProblemError:
    """Every problem of the files, each with its place."""
    found = [
        {"pointer": problem.path, "detail": problem.message, "file": problem.file}
        | {"line": str(problem.line), "column": str(problem.column)}
        for problem in error.problems
    ]
    detail = f"the configuration cannot be used ({len(found)} problems); the one before stays in effect"
    return ProblemError("invalid", detail, next=check_command(services.settings.files), errors=found)


def _object(services: HubServices, reloaded: Reloaded, *, dry_run: bool) -> ReloadObject:
    return ReloadObject(
        files=[str(file) for file in services.settings.files],
        changes=[shown(ChangeObject, change) for change in reloaded.changes],
        effects=[shown(EffectObject, effect, changes=list(effect.changes)) for effect in reloaded.effects],
        restart=[change.key for change in reloaded.changes if change.applies == "restart"],
        preview=reloaded.preview,
        dry_run=dry_run,
    )
