"""What needs a person."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub.web.acting import HubRoute, services_of
from hub.web.asking import Listed, answer, gives
from hub.web.hub_objects import IssueObject
from hub.web.issues import find_issues
from hub.web.problems import ProblemError, not_found
from hub.web.seeing import look, respond_whole

router = APIRouter(route_class=HubRoute, tags=["issues"])


@router.get("/issues", responses=gives(Listed[IssueObject]))
async def list_issues(request: Request) -> Response:
    """All issues, critical ones first."""
    return respond_whole(request, find_issues(services_of(request), await look(request)))


@router.get("/issues/{ref}", responses=gives(IssueObject))
async def show_issue(request: Request, ref: str) -> Response:
    """The issue with this id, or with this code if there is only one."""
    found = find_issues(services_of(request), await look(request))
    hits = [issue for issue in found if issue.issue_id == ref] or [
        issue for issue in found if issue.code == ref
    ]
    if not hits:
        raise not_found("issue", ref, next="bookinghub issues list")
    if len(hits) > 1:
        listed = [{"issue_id": issue.issue_id, "meaning": issue.meaning} for issue in hits]
        raise ProblemError(
            "ambiguous",
            f"{ref!r} matches {len(hits)} issues",
            next="bookinghub issues list",
            extra={"candidates": listed},
        )
    return answer(hits[0])
