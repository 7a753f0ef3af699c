"""What may be set, and what is said of the rest."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.stripe_refund.config import StripeRefundConfig

SOUND: dict[str, Any] = {
    "key": "rk_test_made_up",
    "currency": "EUR",
    "approve_above": "100",
    "daily_limit": "500.50",
}


def test_what_is_left_out_gives_everything_back_until_the_start() -> None:
    config = StripeRefundConfig.model_validate(SOUND)
    (tier,) = config.policy
    assert (tier.notice, tier.refund) == (timedelta(), 100)
    assert (config.currency, config.most_unasked, config.most_a_day) == ("eur", 10_000, 50_050)
    assert (config.base_url, config.proof) == ("https://api.stripe.com/v1", "email")


@pytest.mark.parametrize("name", SOUND)
def test_nothing_that_decides_about_money_has_a_default(name: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        StripeRefundConfig.model_validate({key: value for key, value in SOUND.items() if key != name})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"key": "pk_test_x"}, "is not a secret key"),
        ({"key": "rk_test_x y"}, "is not a secret key"),
        ({"currency": "euro"}, "is not a currency"),
        ({"approve_above": "-1"}, "is not an amount"),
        ({"approve_above": "1.005"}, "approve_above: EUR has no amount 1.005"),
        ({"currency": "jpy"}, "daily_limit: JPY has no amount 500.50"),
        ({"proof": "phone"}, "is not known"),
        ({"proof": "metadata."}, "is not known"),
        (
            {"policy": [{"notice": "2h", "refund": "50%"}, {"notice": "24h", "refund": "100%"}]},
            "longest notice",
        ),
        (
            {"policy": [{"notice": "2h", "refund": "50%"}, {"notice": "2h", "refund": "10%"}]},
            "longest notice",
        ),
        ({"policy": [{"notice": "2h", "refund": "101%"}]}, "is not a share"),
        ({"policy": [{"notice": "2h", "refund": "50"}]}, "is not a share"),
        ({"policy": [{"notice": "2", "refund": "50%"}]}, "is not a duration"),
        ({"base_url": "http://api.stripe.com/v1"}, "must be https"),
        ({"amount": "1"}, "Extra inputs"),
    ],
    ids=str,
)
def test_a_wrong_value_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        StripeRefundConfig.model_validate(SOUND | changes)
    assert "rk_test_x y" not in str(refused.value.errors(include_input=False))


def test_no_policy_gives_nothing_back() -> None:
    assert StripeRefundConfig.model_validate(SOUND | {"policy": []}).policy == ()


def test_what_is_shown_can_be_read_again() -> None:
    config = StripeRefundConfig.model_validate(SOUND | {"policy": [{"notice": "24h", "refund": "50%"}]})
    shown = config.model_dump(mode="json")
    assert (shown["approve_above"], shown["daily_limit"]) == ("100", "500.50")
    assert shown["policy"] == [{"notice": "24h", "refund": "50%"}]
    assert "made_up" not in str(shown)
