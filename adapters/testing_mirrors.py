"""The contracts of mirrors: whatever happens between, the newest state is what is shown, once."""
# ruff: noqa: S101

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.api import AdapterContext, BookingMirror, ContactMirror, Receipt
from adapters.errors import TransientError
from adapters.testing_observing import ObservingContract, SurveyingContract, parts_of
from adapters.testing_samples import sample_contacts, sample_states
from adapters.testing_sinks import Scene, failure_of
from events import Booking, Contact

MOST_CALLS = 20
"""No adapter needs more calls than this for one state of one key."""


class StatesContract(ObservingContract):
    """What mirrors of bookings and of contacts have in common: one key, seen in one state after the other."""

    def left_behind(self, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of what is seen, what stays once nothing of the hub's is wanted there."""
        return {}

    async def _act(self, scene: Scene) -> None:
        await bring(scene, self.states()[0])

    async def _bring(self, scene: Scene, state: Any) -> None:
        await bring(scene, state)

    async def _expected(self) -> list[Mapping[str, Any]]:
        """What is seen after each state, when all goes well."""
        async with self._scene() as scene:
            seen = [scene.other.objects()]
            for state in self.states():
                await bring(scene, state)
                seen.append(scene.other.objects())
            return seen

    async def test_a_target_has_one_name(self) -> None:
        async with self._scene() as scene:
            before = scene.sink.target()
            await scene.sink.open()
            after = scene.sink.target()
            assert before in (None, after), f"open() made another target of {before!r}: {after!r}"

    async def test_the_first_state_makes_its_objects_and_the_next_changes_them(self) -> None:
        before, first, second, *_ = await self._expected()
        assert before == {}
        assert first, "nothing appeared"
        assert second.keys() == first.keys(), "the next state is a change of the same objects"
        assert second != first, "the next state is not shown"

    async def test_repeated_with_or_without_receipts_it_changes_nothing(self) -> None:
        for steps in range(1, len(self.states()) + 1):
            async with self._scene() as scene:
                await self._walk(scene, steps)
                seen, receipts = scene.other.objects(), dict(scene.receipts)
                await bring(scene, self.states()[steps - 1])
                assert scene.other.objects() == seen, f"state {steps} again"
                _assert_same(scene.receipts, receipts)
                scene.receipts.clear()
                await bring(scene, self.states()[steps - 1])
                assert scene.other.objects() == seen, f"state {steps} again, receipts lost"
                _assert_same(scene.receipts, receipts)

    async def test_a_lost_reply_has_no_second_effect(self) -> None:
        expected = await self._expected()
        for index, state in enumerate(self.states()):
            async with self._scene() as scene:
                await self._walk(scene, index)
                scene.other.lose_next_reply()
                error = await failure_of(bring(scene, state))
                assert error is None or isinstance(error, TransientError), f"state {index + 1}: {error!r}"
                scene.other.restore()
                await bring(scene, state)
                assert scene.other.objects() == expected[index + 1], f"state {index + 1}"

    async def test_killed_between_any_two_calls_it_converges(self) -> None:
        expected = await self._expected()
        for index, state in enumerate(self.states()):
            for calls in range(MOST_CALLS):
                async with self._scene() as scene:
                    await self._walk(scene, index)
                    if not await _killed_after(scene, calls, state):
                        break
                    await bring(scene, state)
                    where = f"state {index + 1}, killed after call {calls}"
                    assert scene.other.objects() == expected[index + 1], where

    async def test_killed_while_creating_the_last_state_leaves_no_stray(self) -> None:
        first, last = self.states()[0], self.states()[-1]
        allowed: tuple[Mapping[str, Any], ...] = ({}, (await self._expected())[-1])
        for calls in range(MOST_CALLS):
            async with self._scene() as scene:
                if not await _killed_after(scene, calls, first):
                    break
                await bring(scene, last)
                assert scene.other.objects() in allowed, f"killed after call {calls}"

    async def test_an_older_position_never_overwrites_a_newer(self) -> None:
        older, newer = self.states()[0], self.states()[1]
        async with self._scene() as scene:
            await bring(scene, older)
            stale = dict(scene.receipts)
            await bring(scene, newer)
            seen = scene.other.objects()
            for receipts in (dict(scene.receipts), stale, {}):
                scene.receipts = receipts
                await bring(scene, older)
                assert scene.other.objects() == seen

    async def test_another_epoch_never_blocks(self) -> None:
        older, newer = self.states()[0], self.states()[1]
        async with self._scene() as scene:
            await bring(scene, newer)
            scene.receipts.clear()
            scene.restart(epoch=2)
            await bring(scene, older)
            async with self._scene(epoch=2) as fresh:
                await bring(fresh, older)
                assert scene.other.objects() == fresh.other.objects()

    async def test_a_part_no_longer_wanted_is_removed(self) -> None:
        async with self._scene() as scene:
            await self._act(scene)
            receipts, left = dict(scene.receipts), self.left_behind(scene.other.objects())
            for held in (receipts, receipts):
                for part, receipt in held.items():
                    assert await scene.sink.sync(None, part, receipt) is None
                assert scene.other.objects() == left

    async def test_a_preview_reaches_nobody(self) -> None:
        async with self._scene() as scene:
            before = scene.other.calls()
            for state in self.states():
                parts = parts_of(scene, state)
                assert len(set(parts)) == len(parts)
                for part in parts:
                    scene.sink.preview(state, part)
            assert scene.other.calls() == before


class MirrorContract(StatesContract, SurveyingContract):
    """What the hub relies on in a `BookingMirror`."""

    def states(self) -> Sequence[Booking]:
        """One booking from its first state to its cancellation, positions rising."""
        return sample_states()

    def sink(self, context: AdapterContext) -> BookingMirror[Any]:
        raise NotImplementedError


class ContactMirrorContract(StatesContract):
    """What the hub relies on in a `ContactMirror`."""

    def states(self) -> Sequence[Contact]:
        """One contact from its first booking to the correction of its address, positions rising."""
        return sample_contacts()

    def sink(self, context: AdapterContext) -> ContactMirror[Any]:
        raise NotImplementedError


async def bring(scene: Scene, wanted_state: Booking | Contact) -> None:
    """What the hub does with a mirror: every wanted part, then those held but no longer wanted."""
    wanted = parts_of(scene, wanted_state)
    for part in (*wanted, *(held for held in tuple(scene.receipts) if held not in wanted)):
        state = wanted_state if part in wanted else None
        intended = getattr(scene.sink, "intended", None)
        if state and intended and part not in scene.receipts and (announced := intended(state, part)):
            scene.receipts[part] = announced
        receipt = await scene.sink.sync(state, part, scene.receipts.get(part))
        if receipt is None:
            scene.receipts.pop(part, None)
        else:
            scene.receipts[part] = receipt


async def _killed_after(scene: Scene, calls: int, state: Booking | Contact) -> bool:
    """Whether the process died before it was done; another one has taken over then."""
    scene.other.cut_off_after(calls)
    error = await failure_of(bring(scene, state))
    scene.other.restore()
    scene.restart()
    return error is not None


def _assert_same(now: Mapping[str, Receipt], before: Mapping[str, Receipt]) -> None:
    """Alike in all but what was done and what the adapter keeps for itself."""
    alike = {"external_id", "etag", "fingerprint", "position", "url", "target"}
    shown = {part: receipt.model_dump(include=alike) for part, receipt in now.items()}
    assert shown == {part: receipt.model_dump(include=alike) for part, receipt in before.items()}
