"""The kits find what they are there to find: each broken adapter fails the case that names its fault."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from adapters.api import (
    AdapterContext,
    BookingMirror,
    ContactMirror,
    Observed,
    Reactor,
    Reading,
    Receipt,
    SinkConfig,
    Source,
    SourceConfig,
)
from adapters.errors import AuthError, PermanentError, TransientError
from adapters.testing import (
    ContactMirrorContract,
    MirrorContract,
    ReactorContract,
    SourceContract,
    sample_events,
)
from events import AttendeeSnapshot, Booking, BookingSnapshot, Contact, Envelope

SECRET = "token-5f1e0c"


class Shelf:
    """An outside system in memory: objects by id, and everything that may go wrong on the way to it."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.count = 0
        self._failures: list[str] = []
        self._stalled = False
        self._left: int | None = None

    async def call(self, act: Callable[[], Any]) -> Any:
        self.count += 1
        if self._stalled:
            self._stalled = False
            await asyncio.sleep(0.2)
        if self._left == 0:
            raise TransientError("unreachable")
        failure = self._failures.pop(0) if self._failures else ""
        if failure in ("401", "403 forbidden"):
            raise AuthError(failure)
        if failure in ("400", "422"):
            raise PermanentError(failure)
        if failure and failure not in ("lost", "truncated"):
            raise TransientError(failure, retry_after=timedelta(seconds=7) if failure == "429" else None)
        answer = act()
        if self._left is not None:
            self._left -= 1
        if failure or self._left == 0:
            raise TransientError("no whole answer")
        return answer

    def fail_next(self, reason: str) -> None:
        self._failures.append(reason)

    def lose_next_reply(self) -> None:
        self._failures.append("lost")

    def stall_next(self) -> None:
        self._stalled = True

    def cut_off_after(self, calls: int) -> None:
        self._left = calls

    def restore(self) -> None:
        self._left = None
        self._failures.clear()

    def calls(self) -> int:
        return self.count

    def objects(self) -> Mapping[str, Any]:
        return dict(self.held)

    def close(self) -> None:
        self.restore()


class ShelfMirror(BookingMirror[SinkConfig]):
    """A mirror as it should be: derived ids, positions compared, errors passed on."""

    def __init__(self, shelf: Shelf, context: AdapterContext) -> None:
        super().__init__(SinkConfig(), context)
        self.shelf = shelf

    def object_id(self, booking: Booking) -> str:
        return f"{self.context.installation_id}/{booking.booking_id}"

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        if booking.status == "cancelled":
            return {}
        return {"start": booking.start, "link": booking.link, "no_show": booking.no_show}

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        name = receipt.external_id if receipt else f"{self.context.installation_id}/{key}"
        return self.shown(key, name) if name in await self.listed() else None

    async def survey(self) -> Sequence[Observed]:
        names = [name.partition("/") for name in await self.listed()]
        return [
            self.shown(key, f"{owner}/{key}")
            for owner, _, key in names
            if owner == self.context.installation_id
        ]

    async def listed(self) -> list[str]:
        found: list[str] = await self.shelf.call(lambda: list(self.shelf.held))
        return found

    def shown(self, key: str, name: str) -> Observed:
        start, _, _, link, no_show = self.shelf.held[name]
        return Observed(key=key, external_id=name, fields={"start": start, "link": link, "no_show": no_show})

    def is_stale(self, booking: Booking) -> bool:
        held = self.shelf.held.get(self.object_id(booking))
        return held is not None and held[1] == self.context.epoch and held[2] > booking.position

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        if booking is None or booking.status == "cancelled":
            name = receipt.external_id if receipt else booking and self.object_id(booking)
            await self.shelf.call(lambda: self.shelf.held.pop(name, None))
            return None
        name = receipt.external_id if receipt else self.object_id(booking)
        content = (booking.start, self.context.epoch, booking.position, booking.link, booking.no_show)

        def put() -> None:
            if not self.is_stale(booking):
                self.shelf.held[name] = content

        await self.shelf.call(put)
        return Receipt(external_id=name, position=self.shelf.held[name][2])


class ForgetfulMirror(ShelfMirror):
    numbers = itertools.count()

    def object_id(self, booking: Booking) -> str:
        return f"{booking.booking_id}-{next(self.numbers)}"


class OverwritingMirror(ShelfMirror):
    def is_stale(self, booking: Booking) -> bool:
        return False


class StubbornMirror(ShelfMirror):
    """Takes the other epoch for older."""

    def is_stale(self, booking: Booking) -> bool:
        held = self.shelf.held.get(self.object_id(booking))
        return held is not None and held[2] > booking.position


class SwallowingMirror(ShelfMirror):
    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        try:
            return await super().sync(booking, part, receipt)
        except TransientError:
            return Receipt(external_id="b-1001")


class TalkativeMirror(ShelfMirror):
    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        try:
            return await super().sync(booking, part, receipt)
        except TransientError as error:
            raise TransientError(f"could not write {booking and booking.attendees}") from error


class LoggingMirror(ShelfMirror):
    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        self.context.log("writing", token=SECRET)
        return await super().sync(booking, part, receipt)


class UncancellableMirror(ShelfMirror):
    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        try:
            return await super().sync(booking, part, receipt)
        except asyncio.CancelledError:
            return None


class HastyMirror(ShelfMirror):
    """Creates on open, and shows the preview by writing it."""

    async def open(self) -> None:
        self.shelf.held["hello"] = 1

    def preview(self, booking: Booking, part: str) -> dict[str, Any]:
        self.shelf.count += 1
        return {}


class RenamedMirror(ShelfMirror):
    """Knows where it is only once it is open, and says something else before."""

    account = ""

    async def open(self) -> None:
        self.account = "4711"

    def target(self) -> str:
        return f"shelf{self.account}"


class BlindMirror(ShelfMirror):
    """Shows what it wrote, not what stands there."""

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        return receipt and Observed(key=key, external_id=receipt.external_id)


class NosyMirror(ShelfMirror):
    """Lists what belongs to others, under their bookings."""

    async def survey(self) -> Sequence[Observed]:
        return [self.shown(name.partition("/")[2], name) for name in await self.listed()]


class MeddlingMirror(ShelfMirror):
    """Tidies up while it looks."""

    async def listed(self) -> list[str]:
        names = await super().listed()
        self.shelf.held = {name: (*held[:4], "none") for name, held in self.shelf.held.items()}
        return names


class SilentMirror(ShelfMirror):
    """Cannot list, and does not say so."""

    async def survey(self) -> None:  # type: ignore[override]
        return None


class TrustingMirror(ShelfMirror):
    """Takes any receipt for a proof."""

    async def sync(self, booking: Booking | None, part: str, receipt: Receipt | None) -> Receipt | None:
        if booking is not None and receipt is not None and receipt.position == booking.position:
            return receipt
        return await super().sync(booking, part, receipt)


class TestShelfMirror(MirrorContract):
    secrets = (SECRET,)
    forbidden: ClassVar = {"403 forbidden": AuthError, "403 rate": TransientError}
    kind: type[ShelfMirror] = ShelfMirror

    def other_side(self) -> Shelf:
        self.shelf = Shelf()
        return self.shelf

    def sink(self, context: AdapterContext) -> ShelfMirror:
        return self.kind(self.shelf, context)


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        (ForgetfulMirror, "test_repeated_with_or_without_receipts_it_changes_nothing"),
        (ForgetfulMirror, "test_a_lost_reply_has_no_second_effect"),
        (ForgetfulMirror, "test_killed_between_any_two_calls_it_converges"),
        (ForgetfulMirror, "test_killed_while_creating_the_last_state_leaves_no_stray"),
        (OverwritingMirror, "test_an_older_position_never_overwrites_a_newer"),
        (StubbornMirror, "test_another_epoch_never_blocks"),
        (SwallowingMirror, "test_failures_that_pass_are_transient"),
        (SwallowingMirror, "test_a_429_keeps_its_delay"),
        (TalkativeMirror, "test_nothing_secret_is_said"),
        (LoggingMirror, "test_nothing_secret_is_said"),
        (UncancellableMirror, "test_cancelled_mid_call_it_stays_usable"),
        (HastyMirror, "test_open_accepts_working_credentials"),
        (HastyMirror, "test_a_preview_reaches_nobody"),
        (RenamedMirror, "test_a_target_has_one_name"),
        (BlindMirror, "test_what_is_read_back_is_what_the_preview_says"),
        (BlindMirror, "test_what_somebody_removed_is_not_seen"),
        (MeddlingMirror, "test_what_is_read_back_is_what_the_preview_says"),
        (NosyMirror, "test_a_survey_lists_the_own_objects_and_no_strangers"),
        (MeddlingMirror, "test_a_survey_lists_the_own_objects_and_no_strangers"),
        (SilentMirror, "test_a_survey_lists_the_own_objects_and_no_strangers"),
        (TrustingMirror, "test_told_to_look_it_restores_what_somebody_removed"),
    ],
)
async def test_a_broken_mirror_fails(kind: type[ShelfMirror], case: str) -> None:
    contract = TestShelfMirror()
    contract.kind = kind
    with pytest.raises(AssertionError):
        await getattr(contract, case)()


class ShelfContacts(ContactMirror[SinkConfig]):
    """A mirror of contacts as it should be: found by the contact's own id, positions compared."""

    name = "shelf"

    def __init__(self, shelf: Shelf, context: AdapterContext) -> None:
        super().__init__(SinkConfig(), context)
        self.shelf = shelf

    def preview(self, contact: Contact, part: str) -> dict[str, Any]:
        return {"counts": (contact.booking_count, contact.reschedule_count, contact.no_show_count)}

    async def observe(self, key: str, part: str, receipt: Receipt | None) -> Observed | None:
        held = await self.shelf.call(lambda: self.shelf.held.get(key))
        return held and Observed(key=key, external_id=key, fields={"counts": held[2:]})

    def is_stale(self, contact: Contact) -> bool:
        held = self.shelf.held.get(contact.contact_id)
        return held is not None and held[0] == self.context.epoch and held[1] > contact.position

    async def sync(self, contact: Contact | None, part: str, receipt: Receipt | None) -> Receipt | None:
        if contact is None:
            await self.shelf.call(lambda: self.shelf.held.pop(receipt and receipt.external_id, None))
            return None
        counts = (contact.booking_count, contact.reschedule_count, contact.no_show_count)
        content = (self.context.epoch, contact.position, *counts)

        def put() -> None:
            if not self.is_stale(contact):
                self.shelf.held[contact.contact_id] = content

        await self.shelf.call(put)
        return Receipt(external_id=contact.contact_id, position=self.shelf.held[contact.contact_id][1])


class OverwritingContacts(ShelfContacts):
    def is_stale(self, contact: Contact) -> bool:
        return False


class StubbornContacts(ShelfContacts):
    def is_stale(self, contact: Contact) -> bool:
        held = self.shelf.held.get(contact.contact_id)
        return held is not None and held[1] > contact.position


class AddingContacts(ShelfContacts):
    """Adds what it is told to what stands there."""

    async def sync(self, contact: Contact | None, part: str, receipt: Receipt | None) -> Receipt | None:
        assert contact is not None
        before = self.shelf.held.get(contact.contact_id, 0)
        changed = before + contact.booking_count
        await self.shelf.call(lambda: self.shelf.held.update({contact.contact_id: changed}))
        return Receipt(external_id=contact.contact_id, position=contact.position)


class TestShelfContacts(ContactMirrorContract):
    forbidden: ClassVar = {"403 forbidden": AuthError}
    kind: type[ShelfContacts] = ShelfContacts

    def other_side(self) -> Shelf:
        self.shelf = Shelf()
        return self.shelf

    def sink(self, context: AdapterContext) -> ShelfContacts:
        return self.kind(self.shelf, context)


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        (OverwritingContacts, "test_an_older_position_never_overwrites_a_newer"),
        (StubbornContacts, "test_another_epoch_never_blocks"),
        (AddingContacts, "test_repeated_with_or_without_receipts_it_changes_nothing"),
        (AddingContacts, "test_a_lost_reply_has_no_second_effect"),
        (AddingContacts, "test_killed_between_any_two_calls_it_converges"),
    ],
)
async def test_a_broken_mirror_of_contacts_fails(kind: type[ShelfContacts], case: str) -> None:
    contract = TestShelfContacts()
    contract.kind = kind
    with pytest.raises(AssertionError):
        await getattr(contract, case)()


class ShelfReactor(Reactor[SinkConfig]):
    """A reactor whose other side deduplicates on the key."""

    handles = tuple(sample_events())
    repeat = "safe"

    def __init__(self, shelf: Shelf, context: AdapterContext) -> None:
        super().__init__(SinkConfig(), context)
        self.shelf = shelf

    def key(self, envelope: Envelope, idempotency_key: str) -> str:
        return idempotency_key

    async def react(self, envelope: Envelope, *, idempotency_key: str) -> Receipt:
        key = self.key(envelope, idempotency_key)
        await self.shelf.call(lambda: self.shelf.held.setdefault(key, envelope.type))
        return Receipt(external_id=idempotency_key)


class RepeatingReactor(ShelfReactor):
    numbers = itertools.count()

    def key(self, envelope: Envelope, idempotency_key: str) -> str:
        return f"{idempotency_key}-{next(self.numbers)}"


class MergingReactor(ShelfReactor):
    def key(self, envelope: Envelope, idempotency_key: str) -> str:
        return envelope.booking_id


class TestShelfReactor(ReactorContract):
    forbidden: ClassVar = {"403 forbidden": AuthError}
    kind: type[ShelfReactor] = ShelfReactor
    chosen: slice = slice(None)

    def other_side(self) -> Shelf:
        self.shelf = Shelf()
        return self.shelf

    def sink(self, context: AdapterContext) -> ShelfReactor:
        return self.kind(self.shelf, context)

    def samples(self) -> Sequence[Envelope]:
        return super().samples()[self.chosen]


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        (RepeatingReactor, "test_redelivery_has_no_second_effect_and_the_same_receipt"),
        (RepeatingReactor, "test_a_lost_reply_has_no_second_effect"),
        (MergingReactor, "test_every_handled_event_has_a_sample_and_an_effect"),
    ],
)
async def test_a_broken_reactor_fails(kind: type[ShelfReactor], case: str) -> None:
    contract = TestShelfReactor()
    contract.kind = kind
    with pytest.raises(AssertionError):
        await getattr(contract, case)()


async def test_a_handled_event_without_a_sample_fails() -> None:
    contract = TestShelfReactor()
    contract.chosen = slice(1, None)
    with pytest.raises(AssertionError, match="no sample of BookingCreated"):
        await contract.test_every_handled_event_has_a_sample_and_an_effect()


async def test_a_case_that_does_not_apply_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    class Declaring(TestShelfReactor):
        cannot: ClassVar = {"failures": "it never fails"}

    await Declaring().test_failures_that_pass_are_transient()
    assert capsys.readouterr().out == "Declaring: failures does not apply: it never fails\n"


class PlainSource(Source[SourceConfig]):
    """Reads `{"kind": "booking", "id": …, "start": …, "minutes": …, "guest": …}`."""

    name = "plain"
    config_class = SourceConfig
    secret_keys = frozenset({"secret"})

    def unwrap(self, payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
        kind = payload.get("kind")
        return (kind, payload) if isinstance(kind, str) else None

    def read(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        found = self.unwrap(payload)
        if found is None or found[0] != "booking":
            return Reading("unreadable", "", reason="unknown kind")
        try:
            start = datetime.fromisoformat(payload["start"])
            booking_id, minutes = str(payload["id"]), int(payload["minutes"])
            snapshot = self.snapshot(payload, booking_id, start, timedelta(minutes=minutes), received_at)
        except (KeyError, ValueError, TypeError, OverflowError):
            return Reading("unreadable", "booking", reason="a member cannot be read")
        return Reading("booking", "booking", snapshot=snapshot, provider_id=booking_id)

    def snapshot(
        self, payload: Mapping[str, Any], booking_id: str, start: datetime, length: timedelta, seen: datetime
    ) -> BookingSnapshot:
        return BookingSnapshot(
            source=self.instance,
            provider_id=booking_id,
            origin="payload",
            seen_at=seen,
            start=start,
            end=start + length,
            cancelled=False,
            attendees=(AttendeeSnapshot(attendee_id="a-1", name=str(payload.get("guest"))),),
            version=seen,
            updated_at=seen,
        )


class FragileSource(PlainSource):
    def read(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        start = datetime.fromisoformat(payload["start"])
        snapshot = self.snapshot(payload, payload["id"], start, timedelta(1), received_at)
        return Reading("booking", "booking", snapshot=snapshot)


class LeakingSource(PlainSource):
    """Names the wrong member as secret."""

    def read(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        unmasked = {**payload, "guest": PAYLOADS["created"]["secret"]}
        return super().read(unmasked, received_at=received_at)


class GullibleSource(PlainSource):
    def read(self, payload: Mapping[str, Any], *, received_at: datetime) -> Reading:
        return super().read({**PAYLOADS["created"], **payload, "kind": "booking"}, received_at=received_at)


class RandomSource(PlainSource):
    numbers = itertools.count()

    def snapshot(
        self, payload: Mapping[str, Any], booking_id: str, start: datetime, length: timedelta, seen: datetime
    ) -> BookingSnapshot:
        return super().snapshot(payload, f"{booking_id}-{next(self.numbers)}", start, length, seen)


PAYLOADS: Mapping[str, Mapping[str, Any]] = {
    "created": {
        "kind": "booking",
        "id": "b-1",
        "start": "2026-10-23T08:00:00+00:00",
        "minutes": 45,
        "guest": "Ann",
        "secret": "cancel-me-9d1",
    },
    "other": {"kind": "review", "secret": "cancel-me-9d2"},
}


class TestPlainSource(SourceContract):
    kind: type[PlainSource] = PlainSource
    expected: Mapping[str, Sequence[str]] = {"created": ("BookingCreated",), "other": ("unreadable",)}

    def source(self) -> PlainSource:
        return self.kind(SourceConfig(), instance="plain")

    def payloads(self) -> Mapping[str, Mapping[str, Any]]:
        return PAYLOADS

    def golden(self) -> Mapping[str, Sequence[str]]:
        return self.expected


@pytest.mark.parametrize(
    ("kind", "case", "error"),
    [
        (FragileSource, "test_wrong_types_in_every_member_survive", Exception),
        (FragileSource, "test_foreign_payloads_are_no_bookings", Exception),
        (LeakingSource, "test_no_scrubbed_member_comes_out", AssertionError),
        (GullibleSource, "test_foreign_payloads_are_no_bookings", AssertionError),
        (GullibleSource, "test_every_payload_gives_its_facts", AssertionError),
        (RandomSource, "test_the_same_payload_gives_the_same_ids_and_then_nothing", AssertionError),
    ],
)
def test_a_broken_source_fails(kind: type[PlainSource], case: str, error: type[Exception]) -> None:
    contract = TestPlainSource()
    contract.kind = kind
    with pytest.raises(error):
        getattr(contract, case)()


def test_a_payload_without_golden_facts_fails() -> None:
    contract = TestPlainSource()
    contract.expected = {"created": ("BookingCreated",)}
    with pytest.raises(AssertionError, match="needs its golden facts"):
        contract.test_every_payload_gives_its_facts()
