"""What needs a person, computed from how the hub stands: an issue is gone by itself when it is settled."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hub.web.hub_objects import IssueObject, Severity
from hub.web.services import HubServices
from hub.web.situation import ASKING, Situation
from hub.web.source_issues import find_source_issues

BEHIND = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Kind:
    """One code: how bad it is, what it means, and the command that helps; `{…}` is put in."""

    severity: Severity
    meaning: str
    what_to_do: str


KINDS: Mapping[str, Kind] = {
    "log_unavailable": Kind(
        "critical",
        "The event log does not answer ({detail}); webhooks are refused until it does",
        "bookinghub status",
    ),
    "log_diverged": Kind(
        "critical",
        "The event log no longer held what the hub had read; projections were rebuilt, the lost facts "
        "come back from the receipts",
        "bookinghub rebuild --verify",
    ),
    "log_config_differs": Kind(
        "warning",
        "A stream is set up differently from what the hub relies on ({detail}); the hub never changes it",
        "bookinghub status --json",
    ),
    "projection_stopped": Kind(
        "critical",
        "The projections stopped and the state shown is old ({detail})",
        "bookinghub projections list",
    ),
    "projection_behind": Kind(
        "warning",
        "The projections are {detail} behind the event log",
        "bookinghub projections list",
    ),
    "sink_auth_failed": Kind(
        "critical",
        "The target refuses the credentials; everything for it waits and it is asked again every few "
        "minutes ({detail})",
        "bookinghub sinks resume {object}",
    ),
    "circuit_open": Kind(
        "critical",
        "The target serves nobody ({detail}); everything for it waits, no attempts are used up, and one "
        "booking at a time asks whether it is back; resuming it asks at once",
        "bookinghub sinks resume {object}",
    ),
    "sink_paused": Kind(
        "warning",
        "A person paused this sink; everything for it waits ({detail})",
        "bookinghub sinks resume {object}",
    ),
    "guard_held": Kind(
        "critical",
        "More at the target would change or go than the guard lets pass unasked ({detail}); it waits for "
        "a person, what new facts ask for goes on",
        "bookinghub sinks resume {object} --dry-run",
    ),
    "sink_orphaned": Kind(
        "warning",
        "Objects stay at a target that the configuration does not name any more ({detail})",
        "bookinghub sinks forget {object} --dry-run",
    ),
    "reload_failed": Kind(
        "critical",
        "The configuration could not be taken over, the one before is in effect ({detail})",
        "bookinghub config diff",
    ),
    "source_paused": Kind(
        "warning",
        "A person paused this source: its API is not called ({detail}); webhooks are still taken",
        "bookinghub sources resume {object}",
    ),
    "source_auth_failed": Kind(
        "critical",
        "The provider refuses the credentials of its API ({detail}); webhooks are still taken, what has to "
        "be read back waits, and it is asked again every few minutes",
        "bookinghub sources resume {object}",
    ),
    "webhook_silence": Kind(
        "warning",
        "Webhooks do not arrive any more: {detail}",
        "bookinghub sources connect {object}",
    ),
    "webhook_not_registered": Kind(
        "warning",
        "The provider does not know the address of this source; changes are found by polls only",
        "bookinghub sources connect {object}",
    ),
    "poll_failing": Kind(
        "warning",
        "The provider could not be polled ({detail}); changes whose webhook is lost stay unknown",
        "bookinghub sources poll {object}",
    ),
    "key_expires": Kind(
        "warning",
        "The key of the provider's API ends ({detail}); make a new one there and put it into the "
        "configuration",
        "bookinghub config explain sources.{object}.key_expires",
    ),
    "booking_missing": Kind(
        "warning",
        "The provider does not have a booking any more that is to take place and that nobody cancelled: "
        "{detail}",
        "bookinghub why {first}",
    ),
    "delivery_dead": Kind(
        "critical",
        "The target refused for good: {detail}",
        "bookinghub deliveries list --sink {object} --state dead",
    ),
    "booking_parked": Kind(
        "warning",
        "All attempts failed for a passing reason: {detail}; a newer change of the booking, or the end of an "
        "outage, tries again by itself",
        "bookinghub deliveries retry --sink {object} --state parked",
    ),
    "refund_waits": Kind(
        "warning",
        "Something is over a limit of the sink and waits until a person lets it through, or gives it up "
        "(deliveries drop): {detail}",
        "bookinghub deliveries approve --sink {object} --dry-run",
    ),
    "uncertain_delivery": Kind(
        "critical",
        "Something that must not be sent twice was sent and no answer came: {detail}; look at the target, "
        "then send it again (deliveries retry --state uncertain) or give it up (deliveries drop)",
        "bookinghub deliveries list --sink {object} --state uncertain",
    ),
    "resource_conflict": Kind(
        "warning",
        "There are not enough rooms or other units for everybody: {detail}",
        "bookinghub sinks show {object} --view schedule --day {first}",
    ),
    "drift_found": Kind(
        "warning",
        "The target did not show what is wanted when it was last compared: {detail}",
        "bookinghub plan {object}",
    ),
    "double_entries": Kind(
        "warning",
        "The target shows something twice: {detail}",
        "bookinghub plan {object}",
    ),
    "replacement_half_done": Kind(
        "critical",
        "A booking was to be replaced by a new one and that came to no end ({detail}); the same command "
        "finishes it, without asking for another booking as long as one may have been made",
        "bookinghub bookings reschedule {object} --by-replacement --to {first}",
    ),
    "quarantine_not_empty": Kind(
        "warning",
        "Nobody could read what reached the door: {detail}",
        "bookinghub inbox list --state quarantined",
    ),
    "unconfirmed_change": Kind(
        "warning",
        "A webhook hints at a change that nothing has confirmed: {detail}",
        "bookinghub why {first}",
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is wrong now."""

    code: str
    object: str
    since: datetime | None = None
    detail: str = ""
    first: str = ""

    def shown(self) -> IssueObject:
        """The issue as it is listed; its id stays the same for as long as it lasts."""
        kind = KINDS[self.code]
        return IssueObject(
            issue_id=f"{self.code}:{self.object}",
            code=self.code,
            severity=kind.severity,
            object=self.object,
            since=self.since,
            meaning=kind.meaning.replace("{detail}", self.detail),
            what_to_do=kind.what_to_do.replace("{object}", self.object).replace("{first}", self.first),
            runbook=f"docs/runbooks/{self.code}.md",
        )


def find_issues(services: HubServices, seen: Situation) -> list[IssueObject]:
    """All issues of this moment, critical ones first, then the oldest."""
    found = [issue.shown() for part in (_of_log, _of_projections) for issue in part(services, seen)]
    parts = (_of_sinks, _of_configuration, _of_commands, _of_door)
    found += [issue.shown() for part in parts for issue in part(services, seen)]
    return sorted(
        found,
        key=lambda issue: (issue.severity != "critical", issue.since or seen.now, issue.issue_id),
    )


def _of_log(services: HubServices, seen: Situation) -> Iterator[Found]:
    if seen.log_problem is not None:
        yield Found("log_unavailable", "log", None, seen.log_problem)
    kept, verified_at = seen.door.installation, seen.door.verified_at
    diverged_at = kept.diverged_at if kept else None
    if diverged_at is not None and (verified_at is None or verified_at < diverged_at):
        yield Found("log_diverged", "log", diverged_at)
    differences = services.log_differences()
    if differences:
        yield Found("log_config_differs", "log", services.started_at, "; ".join(differences))


def _of_projections(services: HubServices, seen: Situation) -> Iterator[Found]:
    problem = services.reader_problem()
    if problem is not None:
        yield Found("projection_stopped", "reader", seen.unread_since, problem)
    elif seen.unread_for is not None and seen.unread_for > BEHIND:
        seconds = round(seen.unread_for.total_seconds())
        yield Found("projection_behind", "reader", seen.unread_since, f"{seen.unread} events, {seconds} s")


def _of_sinks(services: HubServices, seen: Situation) -> Iterator[Found]:
    for name in services.sink_kinds:
        row = seen.house.sinks.get(name)
        if row is not None and row.state in _STOPPED:
            yield Found(_STOPPED[row.state], name, row.since, row.reason or "no reason given")
        held = seen.house.held.get(name)
        if held is not None:
            yield Found("guard_held", name, held.since, _counted(held.count, "object", "objects"))
        for state, code in _STUCK.items():
            pile = seen.house.stuck.get((name, state))
            if pile is not None:
                yield Found(code, name, pile.since, _counted(pile.count, "delivery", "deliveries"))
        yield from _of_ledger(services, seen, name)
        yield from _of_drift(seen, name)


def _of_ledger(services: HubServices, seen: Situation, name: str) -> Iterator[Found]:
    found = seen.house.conflicts.get(name)
    if found is not None:
        day = found.first.astimezone(ZoneInfo(services.settings.hub.timezone)).date().isoformat()
        detail = f"{_counted(found.count, 'booking waits', 'bookings wait')}, the first on {day}"
        yield Found("resource_conflict", name, found.since, detail, day)


def _of_drift(seen: Situation, name: str) -> Iterator[Found]:
    """What the last comparison by schedule found, as far as nothing has repaired it since."""
    piles = {cause: pile for (sink, cause), pile in seen.house.drifted.items() if sink == name}
    double = piles.pop("doubled", None)
    if double is not None:
        yield Found("double_entries", name, double.since, _counted(double.count, "object", "objects"))
    if piles:
        since = min(pile.since or seen.now for pile in piles.values())
        told = ", ".join(f"{pile.count} {cause.replace('_', ' ')}" for cause, pile in sorted(piles.items()))
        yield Found("drift_found", name, since, told)


_STOPPED = {"auth_failed": "sink_auth_failed", "paused": "sink_paused", "circuit_open": "circuit_open"}


def _of_configuration(services: HubServices, seen: Situation) -> Iterator[Found]:
    problem = services.reload_problem()
    if problem is not None:
        yield Found("reload_failed", "configuration", problem.at, problem.message)
    for name, row in seen.house.sinks.items():
        if name not in services.settings.sinks:
            count = _counted(seen.house.receipts.get(name, 0), "object", "objects")
            yield Found("sink_orphaned", name, row.since, f"the sink is gone, {count}")
    for name, left in seen.house.former.items():
        if name in services.settings.sinks:
            count = _counted(sum(one.count for one in left), "object", "objects")
            where = ", ".join(one.target for one in left)
            yield Found("sink_orphaned", name, min(one.since for one in left), f"{count} at {where}")


def _of_commands(services: HubServices, seen: Situation) -> Iterator[Found]:
    for row in seen.house.replacements:
        made = "the new one is made" if row.new_id else "nobody knows whether the new one is made"
        detail = f"{made}, the old one may not be cancelled yet"
        yield Found("replacement_half_done", row.booking_id, row.asked_at, detail, row.start.isoformat())


_STUCK = {
    "dead": "delivery_dead",
    "parked": "booking_parked",
    "uncertain": "uncertain_delivery",
    ASKING: "refund_waits",
}


_HALTED = {"paused": "source_paused", "auth_failed": "source_auth_failed"}


def _of_door(services: HubServices, seen: Situation) -> Iterator[Found]:
    for name in services.settings.sources:
        row = seen.door.sources.get(name)
        if row is not None and row.state in _HALTED:
            yield Found(_HALTED[row.state], name, None, row.reason or "no reason given")
    for issue in find_source_issues(services, seen):
        yield Found(issue.code, issue.source, issue.since, issue.detail, issue.first)
    bodies, hints = seen.door.quarantined, seen.door.unconfirmed
    if bodies.count:
        yield Found(
            "quarantine_not_empty", "inbox", bodies.since, _counted(bodies.count, "receipt", "receipts")
        )
    if hints.count:
        detail = _counted(hints.count, "booking", "bookings")
        yield Found("unconfirmed_change", "inbox", hints.since, detail, hints.first or "")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
