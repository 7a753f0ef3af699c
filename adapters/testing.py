"""Contract kits for adapters: subclass one, name your stand-in, and pytest runs every case.

    class TestRelaySink(ReactorContract):
        def other_side(self):
            return Receiver()

        def sink(self, context):
            return RelaySink(RelayConfig(url="https://receiver.test/hook", token="secret"), context)

Runs on run-time packages alone. A case is never left out silently: what an adapter cannot be tried in
is declared in `cannot` with a reason, which is printed.
"""

from adapters.testing_mirrors import ContactMirrorContract, MirrorContract
from adapters.testing_reactors import ReactorContract
from adapters.testing_samples import (
    envelope_of,
    sample_booking,
    sample_contacts,
    sample_events,
    sample_states,
)
from adapters.testing_simulators import SimulatedSide, SimulatorServer
from adapters.testing_sinks import OtherSide
from adapters.testing_sources import SourceContract

__all__ = [
    "ContactMirrorContract",
    "MirrorContract",
    "OtherSide",
    "ReactorContract",
    "SimulatedSide",
    "SimulatorServer",
    "SourceContract",
    "envelope_of",
    "sample_booking",
    "sample_contacts",
    "sample_events",
    "sample_states",
]
