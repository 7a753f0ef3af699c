"""A delivered body becomes a receipt: masked, recognised, and sorted by what will be done with it."""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from adapters.api import Reading, Source
from events.versions import cut
from hub.ingest.masking import Masked, Masker, parse
from hub.ingest.trust import objection
from hub.log.inbox_log import NewReceipt, StoredReceipt
from hub.log.subjects import fits_subject

_CANONICAL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False)
_NO_KIND = re.compile(r"[^A-Za-z0-9_.:-]")
_LONGEST_KIND = 64
_MOST_SHOWN = 4000
"""Characters of attendees' ids that are kept with a receipt: those of a hundred."""
_SURELY_FITS = 80
"""Characters of an id that need no counting to know that they fit into a subject."""


def new_receipt_id(received_at: datetime) -> str:
    """An id that sorts by time and cannot be guessed."""
    return f"r_{int(received_at.timestamp() * 1e6):013x}{secrets.token_hex(6)}"


@runtime_checkable
class QuickCheck(Protocol):
    """A source that can tell the outcome of `read` for less, with a snapshot of required members only."""

    def check(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        """As `read`."""
        ...


class Intake:
    """Makes receipts for one source; knows nothing of HTTP and stores nothing.

    `trusting`: payloads become facts as they are, so those that cannot be taken on trust are quarantined.
    """

    def __init__(self, source: Source[Any], *, trusting: bool = True) -> None:
        self._source = source
        self._trusting = trusting
        self._read = source.check if isinstance(source, QuickCheck) else source.read
        self._masker = Masker(secret_keys=source.secret_keys, dropped_keys=source.dropped_keys)

    def receive(self, body: bytes, *, received_at: datetime) -> tuple[NewReceipt, str | None]:
        """The receipt of a body and, if the body is no JSON object, what is wrong with it.

        The status is `accepted`, `ignored` or `quarantined`; whether it is a duplicate is not known here.
        """
        masked = self._masker.mask(body)
        if masked.payload is None:
            return self._unparsed(masked, received_at), masked.problem
        kind, content = self._source.unwrap(masked.payload) or ("", masked.payload)
        reading = acceptable(
            self._read(masked.payload, received_at=received_at),
            received_at=received_at,
            trusting=self._trusting,
        )
        return NewReceipt(
            receipt_id=new_receipt_id(received_at),
            source=self._source.instance,
            received_at=received_at,
            kind=_NO_KIND.sub("_", kind[:_LONGEST_KIND]),
            status=_STATUS[reading.outcome],
            reason=reading.reason,
            provider_id=reading.provider_id,
            version=shown_version(reading),
            attendee_ids=shown_attendees(reading),
            digest=self._digest(kind, content),
            body=masked.body,
        ), None

    def _unparsed(self, masked: Masked, received_at: datetime) -> NewReceipt:
        return NewReceipt(
            receipt_id=new_receipt_id(received_at),
            source=self._source.instance,
            received_at=received_at,
            kind="",
            status="quarantined",
            reason=masked.problem,
            provider_id=None,
            digest=hashlib.sha256(self._source.instance.encode() + b"\n\n" + masked.body).hexdigest(),
            body=masked.body,
        )

    def _digest(self, kind: str, content: Mapping[str, Any]) -> str:
        """Equal for copies of one notification, whichever envelope they came in."""
        text = f"{self._source.instance}\n{kind}\n{_CANONICAL.encode(content)}"
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def shown_version(reading: Reading) -> datetime | None:
    """The version of the booking it shows, in whole seconds: webhooks tell no more of it."""
    version = reading.snapshot.version if reading.snapshot else None
    return cut(version, 0) if version else None


def shown_attendees(reading: Reading) -> tuple[str, ...] | None:
    """Who attends the booking it shows; None for more than a header of a receipt has room for."""
    attendees = reading.snapshot.attendees if reading.snapshot else ()
    ids = tuple(attendee.attendee_id for attendee in attendees)
    return ids if 0 < sum(map(len, ids)) <= _MOST_SHOWN else None


def acceptable(reading: Reading, *, received_at: datetime, trusting: bool) -> Reading:
    """The reading, or an unreadable one if it cannot be stored, or what it shows not be taken on trust."""
    if reading.snapshot is None:
        return reading
    provider_id = reading.snapshot.provider_id
    if len(provider_id) > _SURELY_FITS and not fits_subject(provider_id):
        return Reading("unreadable", reading.kind, reason="its id is too long to be stored")
    reason = objection(reading.snapshot, received_at=received_at) if trusting else None
    if reason is None:
        return reading
    return Reading("unreadable", reading.kind, provider_id=reading.provider_id, reason=reason)


def read_stored(source: Source[Any], receipt: StoredReceipt, *, trusting: bool = True) -> Reading:
    """What the source makes of a receipt that was stored, masked, some time ago."""
    try:
        payload = parse(receipt.body)
    except (ValueError, RecursionError):
        return Reading("unreadable", receipt.kind, reason="not JSON")
    if not isinstance(payload, dict):
        return Reading("unreadable", receipt.kind, reason="not a JSON object")
    reading = source.read(payload, received_at=receipt.received_at)
    return acceptable(reading, received_at=receipt.received_at, trusting=trusting)


_STATUS: Mapping[str, Any] = {"booking": "accepted", "ignored": "ignored", "unreadable": "quarantined"}
