"""What masking costs grows with a body as its size does, whatever somebody put into it."""

import json
import time

import pytest

from hub.ingest.masking import Masker

SMALL = 8 * 1024
TIMES = 16
LARGE = SMALL * TIMES
MASKER = Masker(secret_keys={"secret"}, dropped_keys={"ics"})

VALUE = b"abcdefgh"
SPELLED = b"%61bcdefgh"
KNOWN = b'{"secret":"abcdefgh","n":"'

BODIES: dict[str, tuple[bytes, bytes, bytes]] = {
    "backslashes": (b"", b"\\", b""),
    "backslashes in a text": (b'{"secret":"x', b"\\", b""),
    "percent signs": (b"", b"%", b""),
    "percent signs encoded again and again": (b"%", b"25", b""),
    "ampersands encoded again and again": (b"&", b"amp;", b""),
    "keys of a form": (b"", b"secret=", b""),
    "keys of objects": (b"", b'"secret":', b""),
    "keys of nested objects": (b"", b'"secret":{', b""),
    "keys of opened texts": (b"", b'secret:\\"', b""),
    "a key and spaces": (b"secret", b" ", b""),
    "a key and lines": (b'secret"', b"\n", b""),
    "beginnings of a key": (b"", b"secre", b""),
    "keys one after the other": (b"{", b'"secret":"abcdefgh",', b'"a":1}'),
    "different values": (b"{", b'"secret":"value-%06d",', b'"a":1}'),
    "a value put together by taking others out": (
        b'{"secret":"aaaaaaa***","n":"',
        b"aaaaaaa",
        b'aaaaaaa***"}',
    ),
    "a value of backslashes": (
        b'{"secret":"\\\\\\\\\\\\\\\\\\\\!aaa","n":"',
        b"\\\\",
        b'%5c%5c%5c%5c%5c!aaa"}',
    ),
    "a spelled value and backslashes": (KNOWN + SPELLED, b"\\\\", b'"}'),
    "spelled values": (KNOWN, SPELLED, b'"}'),
    "texts with a spelled value": (b'{"secret":"abcdefgh","n":[""', b',"%61bcdefgh"', b"]}"),
    "references": (KNOWN + b"&#97;bcdefgh", b"&#", b'"}'),
    "digits of a reference": (KNOWN + b"&#", b"1", b';"}'),
    "members in a text": (b'{"n":"', b'{\\"secret\\":\\"abcdefgh\\"}', b'"}'),
    "texts with members": (b'{"n":[""', b',"{\\"secret\\":\\"abcdefgh\\"}"', b"]}"),
    "numbers": (b'{"secret":"abcdefgh","a":"abcdefgh","n":[1', b",1", b"]}"),
    "ids in a broken body": (b'{"secret":"abcdefgh","x":NaN', b',"id":"a\\"', b""),
    "levels": (b"", b'{"a":', b""),
    "levels under a secret": (b'{"secret":', b"[", b""),
}


def body(name: str, size: int) -> bytes:
    before, repeated, after = BODIES[name]
    width = len(repeated % 1) if b"%06d" in repeated else len(repeated)
    count = (size - len(before) - len(after)) // width
    middle = b"".join(repeated % n for n in range(count)) if b"%06d" in repeated else repeated * count
    return before + middle + after


def cost(content: bytes) -> float:
    """Processor time of the fastest of three runs."""
    measured = []
    for _ in range(3):
        began = time.process_time()
        MASKER.mask(content)
        measured.append(time.process_time() - began)
    return min(measured)


@pytest.mark.parametrize("name", BODIES)
def test_sixteen_times_the_size_costs_no_square_of_it(name: str) -> None:
    # A millisecond more on the small side: what is too short to be measured decides nothing.
    small = cost(body(name, SMALL)) + 0.001
    assert cost(body(name, LARGE)) < small * TIMES * 4


@pytest.mark.parametrize("name", BODIES)
def test_no_value_is_left_in_it(name: str) -> None:
    result = MASKER.mask(body(name, SMALL))
    assert VALUE not in result.body
    assert json.dumps(result.payload).find("abcdefgh") < 0
