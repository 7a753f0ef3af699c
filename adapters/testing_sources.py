"""The contract of a `Source`: it reads what its provider sends, survives the rest, and leaks nothing."""
# ruff: noqa: S101

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from adapters.api import Reading, Source
from adapters.testing_samples import NOW
from events import BookingEvent, BookingSnapshot
from events.derive import derive, fold
from events.ids import event_id

WRONG: Sequence[object] = (
    *(None, True, 0, -7, 1e300, "", "x", "\ufffd", "x" * 5000),
    *([], [[]], [None], {}, {"id": {}}, "9999-99-99T99:99:99Z"),
)
"""What a member may turn out to be; NUL and half characters are replaced before a source reads."""

FOREIGN: Sequence[Mapping[str, Any]] = (
    {},
    {"id": "x"},
    {"webhookType": None},
    {"event": "something_new", "data": {"deep": [{"er": []}]}},
    {"webhookType": "something_new", "id": ["x"]},
)


class SourceContract:
    """What the hub relies on in a `Source`."""

    cannot: ClassVar[Mapping[str, str]] = {}

    def source(self) -> Source[Any]:
        raise NotImplementedError

    def payloads(self) -> Mapping[str, Mapping[str, Any]]:
        """Payloads by name, as the provider sends them, secrets included."""
        raise NotImplementedError

    def golden(self) -> Mapping[str, Sequence[str]]:
        """Payload name -> the facts it gives on an empty log, or its outcome (`ignored`, `unreadable`)."""
        raise NotImplementedError

    def test_every_payload_gives_its_facts(self) -> None:
        golden, payloads = self.golden(), self.payloads()
        assert golden.keys() == payloads.keys(), "each payload needs its golden facts"
        given = {name: self._given(payload) for name, payload in payloads.items()}
        assert given == {name: tuple(expected) for name, expected in golden.items()}

    def test_the_same_payload_gives_the_same_ids_and_then_nothing(self) -> None:
        for name, payload in self.payloads().items():
            first, again = self._snapshot(payload), self._snapshot(payload)
            if first is None or again is None:
                continue
            facts = derive(None, first)
            assert [event_id(f) for f in facts] == [event_id(f) for f in derive(None, again)], name
            assert derive(fold(facts), again) == (), f"{name}: the second delivery is nothing new"

    def test_foreign_payloads_are_no_bookings(self) -> None:
        for payload in FOREIGN:
            assert self._read(payload).outcome != "booking", payload

    def test_wrong_types_in_every_member_survive(self) -> None:
        tried: set[str] = set()
        for name, payload in self.payloads().items():
            spoilt = [(path, wrong) for path, wrong in _spoilt(payload) if path not in tried]
            tried.update(path for path, _ in spoilt)
            for path, wrong in spoilt:
                reading = self._read(wrong)
                if reading.outcome == "booking":
                    assert reading.snapshot is not None, f"{name}: {path}"
                    _facts(reading.snapshot)
                else:
                    assert reading.reason or reading.outcome == "ignored", f"{name}: {path} without a reason"

    def test_no_scrubbed_member_comes_out(self) -> None:
        source = self.source()
        scrubbed = source.secret_keys | source.dropped_keys
        seen = [value for payload in self.payloads().values() for value in _values_of(payload, scrubbed)]
        assert seen or not scrubbed, "no payload holds a member that is scrubbed"
        for name, payload in self.payloads().items():
            told = repr(self._read(payload))
            for value in seen:
                assert value not in told, f"{name}: a scrubbed value comes out"

    def _read(self, payload: Mapping[str, Any]) -> Reading:
        """Masked as the hub masks before it reads."""
        source = self.source()
        masked = _masked(payload, source.secret_keys, source.dropped_keys)
        reading = source.read(masked, received_at=NOW)
        assert isinstance(reading, Reading)
        return reading

    def _snapshot(self, payload: Mapping[str, Any]) -> BookingSnapshot | None:
        return self._read(payload).snapshot

    def _given(self, payload: Mapping[str, Any]) -> tuple[str, ...]:
        reading = self._read(payload)
        if reading.snapshot is None:
            return (reading.outcome,)
        return tuple(fact.event_type() for fact in _facts(reading.snapshot))


def _facts(snapshot: BookingSnapshot) -> tuple[BookingEvent, ...]:
    """On an empty log, with readable contact ids in place of the hub's."""
    people = {
        name: tuple(
            person.model_copy(update={"contact_id": f"c-{person.email or index}"})
            for index, person in enumerate(getattr(snapshot, name))
        )
        for name in ("attendees", "guests")
        if getattr(snapshot, name, None)
    }
    return derive(None, snapshot.model_copy(update=people))


def _masked(value: Any, secret: frozenset[str], dropped: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        kept = {key: member for key, member in value.items() if key.lower() not in dropped}
        return {
            key: "***" if key.lower() in secret else _masked(member, secret, dropped)
            for key, member in kept.items()
        }
    if isinstance(value, list):
        return [_masked(item, secret, dropped) for item in value]
    return value


def _values_of(value: Any, keys: frozenset[str]) -> Iterator[str]:
    """The texts found under these keys, at any depth."""
    members = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, member in members:
        if str(key).lower() in keys and isinstance(member, str) and len(member) >= 8:
            yield member
        elif isinstance(member, (Mapping, list)):
            yield from _values_of(member, keys)


def _spoilt(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The payload again and again, each time with one member replaced by something it should not be."""
    members = list(value.items()) if isinstance(value, Mapping) else list(enumerate(value))
    for key, member in members:
        here = f"{path}.{key}"
        for wrong in WRONG:
            yield here, _with(value, key, wrong)
        if isinstance(member, (Mapping, list)):
            for where, replaced in _spoilt(member, here):
                yield where, _with(value, key, replaced)
        if isinstance(value, Mapping):
            yield f"{here} absent", {name: kept for name, kept in value.items() if name != key}


def _with(value: Any, key: Any, replaced: object) -> Any:
    if isinstance(value, Mapping):
        return {**value, key: replaced}
    return [*value[:key], replaced, *value[key + 1 :]]
