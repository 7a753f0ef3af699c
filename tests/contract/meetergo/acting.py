"""What the tests of the client do again and again."""

from collections.abc import Awaitable
from typing import Any

import pytest

from adapters.errors import RefusalError
from adapters.meetergo.answers import Row
from adapters.meetergo.client import MeetergoClient
from adapters.meetergo.listing import Listing
from adapters.meetergo.simulated.company import FIRST_TALK
from adapters.provider import NewBooking, Person
from tests.contract.meetergo.stand_in import MARA, at

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ILSE = Person("Ilse Brandvold", "ilse@kunde.example", phone="+493023125014", language="de")


def talk(day: int = 27, hour: int = 9, **more: Any) -> NewBooking:
    members = {"host_ids": (MARA,), "person": ILSE} | more
    return NewBooking(meeting_type_id=FIRST_TALK, start=at(day, hour), **members)


async def refusal(call: Awaitable[object]) -> RefusalError:
    with pytest.raises(RefusalError) as raised:
        await call
    return raised.value


async def scanned(client: MeetergoClient, listing: Listing) -> tuple[list[Row], bool]:
    scan = client.scan(listing)
    rows = [row async for page in scan for row in page]
    return rows, scan.complete
