"""What reading back has to stand: it shows what was wanted, nobody else's, and changes nothing."""
# ruff: noqa: S101

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapters.api import Observed, Receipt
from adapters.testing_sinks import Scene, SinkContract
from events import Booking, Contact


class ObservingContract(SinkContract):
    """Reading back one key in all its states; which keys there are is for the contract of the mirror."""

    def states(self) -> Sequence[Any]:
        """One key from its first state to its last, positions rising."""
        raise NotImplementedError

    async def _bring(self, scene: Scene, state: Any) -> None:
        raise NotImplementedError

    async def _walk(self, scene: Scene, steps: int) -> None:
        for state in self.states()[:steps]:
            await self._bring(scene, state)

    async def test_what_is_read_back_is_what_the_preview_says(self) -> None:
        if self._declared("observe"):
            return
        async with self._scene() as scene:
            for state in self.states():
                await self._bring(scene, state)
                before = scene.other.objects()
                await _assert_in_step(scene, state)
                assert scene.other.objects() == before, "observing changes nothing"

    async def test_what_somebody_removed_is_not_seen(self) -> None:
        if self._declared("observe"):
            return
        first = self.states()[0]
        async with self._scene() as scene:
            await self._bring(scene, first)
            for part, receipt in scene.receipts.items():
                await scene.sink.sync(None, part, receipt)
                assert await scene.sink.observe(key_of(first), part, receipt) is None

    async def test_told_to_look_it_restores_what_somebody_removed(self) -> None:
        """A receipt without etag and fingerprint vouches for nothing."""
        if self._declared("repair"):
            return
        for index, state in enumerate(self.states()):
            async with self._scene() as scene:
                await self._walk(scene, index + 1)
                before = scene.other.objects()
                for part, receipt in scene.receipts.items():
                    await scene.sink.sync(None, part, receipt)
                    scene.receipts[part] = receipt.model_copy(update={"etag": None, "fingerprint": None})
                await self._bring(scene, state)
                if _may_be_absent(state):
                    continue
                assert len(scene.other.objects()) == len(before), f"state {index + 1}"
                if "observe" not in self.cannot:
                    await _assert_in_step(scene, state)


class SurveyingContract(ObservingContract):
    """Listing everything of one installation at the target."""

    async def test_a_survey_lists_the_own_objects_and_no_strangers(self) -> None:
        if self._declared("survey"):
            return
        first, *_ = states = self.states()
        async with self._scene() as scene:
            assert await _listed(scene, first) == [], "nothing is there yet"
            await self._bring(_stranger(scene), first)
            for state in states:
                await self._bring(scene, state)
                before, receipts = scene.other.objects(), scene.receipts
                seen = await _listed(scene, state)
                parts = {one.part: one for one in seen}
                assert len(parts) == len(seen)
                for part in dict.fromkeys((*parts_of(scene, state), *receipts, *parts)):
                    wanted, key = scene.sink.preview(state, part), (key_of(state), part)
                    _assert_shows(parts.get(part), wanted, key, receipts.get(part))
                assert scene.other.objects() == before, "a survey changes nothing"

    async def test_what_was_listed_can_be_removed_without_a_receipt(self) -> None:
        if self._declared("survey"):
            return
        first = self.states()[0]
        async with self._scene() as scene:
            await self._bring(scene, first)
            for seen in await _listed(scene, first):
                assert await scene.sink.sync(None, seen.part, receipt_of(seen, scene.sink.target())) is None
            assert scene.other.objects() == {}


def _may_be_absent(state: Booking | Contact) -> bool:
    """A booking that is cancelled, or a contact nobody is any more, need not be shown again."""
    return state.status == "cancelled" if isinstance(state, Booking) else not state.booking_count


def parts_of(scene: Scene, state: Booking | Contact) -> tuple[str, ...]:
    """A contact has the one unnamed part."""
    return tuple(scene.sink.parts(state)) if isinstance(state, Booking) else ("",)


def key_of(state: Booking | Contact) -> str:
    """What a state is about."""
    return state.booking_id if isinstance(state, Booking) else state.contact_id


def receipt_of(seen: Observed, target: str | None) -> Receipt:
    """What `sync` is given to remove exactly this object."""
    found = Receipt(external_id=seen.external_id, etag=seen.etag, url=seen.url, target=target)
    return seen.receipt or found


async def _listed(scene: Scene, booking: Booking) -> list[Observed]:
    """What the target lists for this booking."""
    seen = await scene.sink.survey_all([booking], list(scene.receipts.values()))
    assert seen is not None, "declare in `cannot` why it cannot list its objects"
    return [one for one in seen if one.key == booking.booking_id]


def _stranger(scene: Scene) -> Scene:
    """Another installation of the hub on the same stand-in."""
    context = replace(scene.context, installation_id="another-installation")
    return replace(scene, context=context, sink=scene.make_sink(context), receipts={})


async def _assert_in_step(scene: Scene, state: Booking | Contact) -> None:
    """Each part, wanted or held, shows what its preview says."""
    for part in dict.fromkeys((*parts_of(scene, state), *scene.receipts)):
        receipt, key = scene.receipts.get(part), (key_of(state), part)
        seen = await scene.sink.observe(*key, receipt)
        _assert_shows(seen, scene.sink.preview(state, part), key, receipt)


def _assert_shows(
    seen: Observed | None, wanted: Mapping[str, Any], key: tuple[str, str], receipt: Receipt | None
) -> None:
    """What is seen is what is wanted, under the key and the id that the hub knows it by."""
    assert (seen is not None) == bool(wanted), f"{key}: {'nothing' if wanted else 'something'} is seen"
    if seen is not None and receipt is not None:
        assert dict(seen.fields) == dict(wanted)
        assert (seen.key, seen.part, seen.external_id) == (*key, receipt.external_id)
