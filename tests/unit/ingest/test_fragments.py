"""Bodies that do not parse lose what looks like a secret, whatever they once were."""

import pytest

from hub.ingest.fragments import mask_fragment, mask_text

VALUE = "NOT-A-REAL-SECRET"


def kept(body: bytes) -> bytes:
    return mask_fragment(body, secret_keys={"secret"}, dropped_keys={"ics"})


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b'{"id": "x", "secret": "abc', b'{"id": "x", "secret": "***'),
        (b'{"secret": "abc\\"def", "a": 1', b'{"secret": "***", "a": 1'),
        (b'{"secret": 12345, "a": 1', b'{"secret": ***, "a": 1'),
        (b'{"secret": ["a", {"b": "}"}], "c": 1', b'{"secret": ***, "c": 1'),
        (b'{"secret": {"a": "b', b'{"secret": ***'),
        (b'{"secret" : \n "abc", "a": 1', b'{"secret" : \n "***", "a": 1'),
        (b'{"\\u0073ecr\\u0065t": "abc", "a": 1', b'{"\\u0073ecr\\u0065t": "***", "a": 1'),
        (b"{'SECRET': 'abc', 'a': 1}", b"{'SECRET': '***', 'a': 1}"),
        (b"{'secret': b'abc', 'a': 1}", b"{'secret': b'***', 'a': 1}"),
        (b'{"secret" => "abc", "a" => 1}', b'{"secret" => "***", "a" => 1}'),
        (b'{"secret": ("abc"), "a": 1}', b'{"secret": ("***"), "a": 1}'),
        (b'{"n": "{\\"secret\\": \\"abc\\"}", ', b'{"n": "{\\"secret\\": \\"***\\"}", '),
        (b"id=1&secret=abc&a=1", b"id=1&secret=***&a=1"),
        (b"p=%7B%22secret%22%3A%22abc%22%7D&a=1", b"p=%7B%22secret%22%3A%22***%22%7D&a=1"),
        (b"{&quot;secret&quot;:&quot;abc&quot;}", b"{&quot;secret&quot;:&quot;***&quot;}"),
        (b"<secret>abc</secret><a>1</a>", b"<secret>***</secret><a>1</a>"),
        (
            b'; name="secret"\r\n\r\nabc\r\n--x--',
            b'; name="secret"\r\n\r\n***\r\n--x--',
        ),
        (b"secret: abc\nid: 1", b"secret: ***\nid: 1"),
        (b'{"secret": "', b'{"secret": "***'),
        (b'{"secret":', b'{"secret":'),
        (b'{"ics": "BEGIN", "topics": "x"', b'{"ics": "***", "topics": "x"'),
    ],
    ids=range(21),
)
def test_what_looks_like_a_secret_member_is_masked(body: bytes, left: bytes) -> None:
    assert kept(body) == left


@pytest.mark.parametrize(
    "body",
    [
        b'{"secret": "NOT-A-REAL-SECRET", "n": "see NOT-A-REAL-SECRET", ',
        b'{"secret": "NOT-A-REAL-SECRET", "n": "see NOT%2DA-REAL-SECRET", ',
        b'{"secret": "NOT\\u002dA-REAL-SECRET", "n": "see NOT-A-REAL-SECRET", ',
        b'{"secret": "NOT-A-REAL-SECRET", "n": "see NOT-A-REAL-SECRE',
        b'{"n": "see NOT-A-REAL-SECRET", "secret": "NOT-A-RE',
        b'{"n": "see NOT%2DA-REAL-SECRET", "secret": "NOT-A-RE',
        b'{"n": "see NOT-A-REAL-SECRET", "secret": {"a": "NOT-A-RE',
        b"secret=NOT-A-REAL-SECRET&n=NOT-A-REAL-SECRET",
    ],
    ids=range(8),
)
def test_its_value_is_masked_elsewhere_too(body: bytes) -> None:
    assert b"NOT" not in kept(body)
    assert b"REAL" not in kept(body)


def test_an_id_is_not_masked_by_value() -> None:
    body = b'{"id": "6f1c2d3e-4b5a", "secret": "6f1c2d3e-4b5a", "n": "6f1c2d3e-4b5a"'
    assert kept(body) == b'{"id": "6f1c2d3e-4b5a", "secret": "***", "n": "6f1c2d3e-4b5a"'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_of_unicode_are_searched_too(encoding: str) -> None:
    left = kept(f'{{"secret": "{VALUE}", "n": 1}}'.encode(encoding))
    assert b'"secret": "***", "n": 1' in left
    assert VALUE.encode(encoding) not in left


def test_a_text_of_two_bytes_a_letter_is_recognised_behind_others() -> None:
    assert (
        VALUE not in kept(b"x" + f'{{"secret": "{VALUE}"}}'.encode("utf-16-le")).replace(b"\0", b"").decode()
    )


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe\x80", b"\\", b"\xff" * 9, b'{"a": "\xe4\xf6"'])
def test_bytes_without_a_secret_stay_as_they_are(body: bytes) -> None:
    assert kept(body) == body


def test_too_many_values_leave_nothing() -> None:
    assert (
        mask_text("".join(f'"secret": "value-{n:04d}", ' for n in range(300)), secret_keys={"secret"})
        == "***"
    )
