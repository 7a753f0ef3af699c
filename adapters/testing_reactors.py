"""The contract of a `Reactor`: one effect per event, however often it is delivered."""
# ruff: noqa: S101

from collections.abc import Sequence
from typing import Any

from adapters.api import AdapterContext, Reactor, Receipt
from adapters.errors import TransientError
from adapters.testing_samples import envelope_of, sample_events
from adapters.testing_sinks import Scene, SinkContract, failure_of
from events import Envelope


class ReactorContract(SinkContract):
    """What the hub relies on in a `Reactor`."""

    def samples(self) -> Sequence[Envelope]:
        """One event of every kind the sink handles."""
        return [envelope_of(event, position=11 + n) for n, event in enumerate(sample_events().values())]

    def sink(self, context: AdapterContext) -> Reactor[Any]:
        raise NotImplementedError

    async def _act(self, scene: Scene) -> None:
        await react(scene, self._handled(scene)[0])

    def _handled(self, scene: Scene) -> list[Envelope]:
        """The samples the sink acts on; the hub gives it no others."""
        return [envelope for envelope in self.samples() if type(envelope.event) in scene.sink.handles]

    async def test_every_handled_event_has_a_sample_and_an_effect(self) -> None:
        async with self._scene() as scene:
            sampled = {type(envelope.event) for envelope in self.samples()}
            missing = {kind.__name__ for kind in scene.sink.handles if kind not in sampled}
            assert not missing, f"no sample of {', '.join(sorted(missing))}"
            handled = self._handled(scene)
            for envelope in handled:
                await react(scene, envelope)
            assert len(scene.other.objects()) == len(handled), "each event has one effect"

    async def test_redelivery_has_no_second_effect_and_the_same_receipt(self) -> None:
        for envelope in self.samples():
            async with self._scene() as scene:
                first = await react(scene, envelope)
                seen = scene.other.objects()
                again = await react(scene, envelope)
                scene.restart()
                after_restart = await react(scene, envelope)
                assert first == again == after_restart
                if not self._declared("redelivery"):
                    assert scene.other.objects() == seen, envelope.type

    async def test_a_lost_reply_has_no_second_effect(self) -> None:
        if self._declared("failures") or self._declared("lost reply"):
            return
        expected = await self._effect()
        async with self._scene() as scene:
            scene.other.lose_next_reply()
            error = await failure_of(self._act(scene))
            assert isinstance(error, TransientError), f"a lost reply became {error!r}"
            await self._act(scene)
            assert scene.other.objects() == expected


async def react(scene: Scene, envelope: Envelope) -> Receipt:
    """What the hub does with a reactor: one event under the key it has at every delivery."""
    receipt = await scene.sink.react(envelope, idempotency_key=f"key-{envelope.event_id}")
    assert isinstance(receipt, Receipt)
    return receipt
