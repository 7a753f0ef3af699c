"""The reactor contract on the stand-in, with memory for keys and without."""

from collections.abc import Mapping
from typing import Any

import pytest

from adapters.api import AdapterContext
from adapters.stripe_refund.config import StripeRefundConfig
from adapters.stripe_refund.simulator import KEY, config, create_app, simulator
from adapters.stripe_refund.sink import StripeRefundSink
from adapters.testing import ReactorContract, SimulatedSide, SimulatorServer


class TestStripeRefund(ReactorContract):
    secrets = (KEY,)
    forbidden = simulator.forbidden
    cannot: Mapping[str, str] = {}
    idempotent = True

    @pytest.fixture(autouse=True)
    def _served(self, stripe_server: SimulatorServer) -> None:
        self.server = stripe_server

    def other_side(self) -> SimulatedSide:
        app = create_app()
        app.account.idempotent = self.idempotent
        return SimulatedSide(self.server, app)

    def sink(self, context: AdapterContext) -> StripeRefundSink:
        settings: dict[str, Any] = config(self.server.url)
        return StripeRefundSink(StripeRefundConfig.model_validate(settings), context)


class TestAtAnAccountThatForgetsKeys(TestStripeRefund):
    """localstripe takes no notice of keys and gives back more than was paid: our own guards have to do."""

    idempotent = False
