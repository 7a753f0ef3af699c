import pytest

from hub.errors import Problem
from hub.settings.nodes import Items, Map, Node, Scalar, is_null
from hub.settings.yaml_tree import MAX_BYTES, read_tree


def read(text: str | bytes) -> tuple[Map | None, list[Problem]]:
    problems: list[Problem] = []
    data = text.encode() if isinstance(text, str) else text
    return read_tree("f.yaml", data, problems), problems


def as_text(node: Node | None) -> object:
    if isinstance(node, Map):
        return {key: as_text(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, Items):
        return [as_text(item) for item in node.values]
    assert isinstance(node, Scalar)
    return None if is_null(node) else node.text


def only(text: str | bytes) -> tuple[int, int, str, str]:
    """Place, path and message of the one problem of this text."""
    _, problems = read(text)
    assert len(problems) == 1, problems
    problem = problems[0]
    assert problem.file == "f.yaml"
    return problem.line, problem.column, problem.path, problem.message


@pytest.mark.parametrize(
    "value",
    ["22:00", "no", "Yes", "+4930123", "010", "0x1F", "1e3", "1_000", "2026-10-01", ".inf", "0.10", "<<"],
)
def test_a_scalar_stays_its_source_text(value: str) -> None:
    assert as_text(read(f"a: {value}")[0]) == {"a": value}


@pytest.mark.parametrize("value", ["", "~", "null", "Null", "NULL"])
def test_a_plain_null_is_absent_and_a_quoted_one_is_text(value: str) -> None:
    assert as_text(read(f"a: {value}")[0]) == {"a": None}
    assert as_text(read(f"a: '{value}'")[0]) == {"a": value}


def test_every_node_knows_where_it_stands() -> None:
    root, _ = read("a:\n  b: [x, {c: y}]\n")
    assert root is not None
    a = root.entries["a"]
    assert (a.place.line, a.place.column) == (1, 1)
    assert isinstance(a.node, Map)
    b = a.node.entries["b"]
    assert (b.place.line, b.place.column) == (2, 3)
    assert isinstance(b.node, Items)
    assert [(item.place.line, item.place.column) for item in b.node.values] == [(2, 7), (2, 10)]


def test_anchors_and_merge_keys_are_followed() -> None:
    root, problems = read("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [*a, {z: 4}], q: 5}\nd: *a\n")
    assert problems == []
    assert as_text(root) == {
        "a": {"x": "1", "y": "2"},
        "b": {"x": "1", "y": "3"},
        "c": {"x": "1", "y": "2", "z": "4", "q": "5"},
        "d": {"x": "1", "y": "2"},
    }


def test_a_character_may_be_written_as_json_writes_it() -> None:
    assert as_text(read('a: "\\ud83d\\ude00"')[0]) == {"a": "\U0001f600"}


def test_a_byte_order_mark_is_no_content() -> None:
    assert as_text(read(b"\xef\xbb\xbfa: 1")[0]) == {"a": "1"}


def test_duplicate_keys_are_named_with_both_places() -> None:
    _, problems = read("a:\n  b: 1\n  c: 2\n  b: 3\na: 4\n")
    assert [(p.line, p.column, p.path, p.message) for p in problems] == [
        (4, 3, "a.b", "duplicate key; it stands in line 2 already"),
        (5, 1, "a", "duplicate key; it stands in line 1 already"),
    ]


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        pytest.param("", (1, 1), "the file is empty", id="empty"),
        pytest.param("# only a comment\n", (1, 1), "the file is empty", id="comment"),
        pytest.param("~\n", (1, 1), "the file is empty", id="null"),
        pytest.param("- a\n", (1, 1), "has to hold a map", id="list"),
        pytest.param("text\n", (1, 1), "has to hold a map", id="text"),
        pytest.param("a:\n\tb: 1\n", (2, 1), "a tab", id="tab"),
        pytest.param("a: 1\nb: 'x\n", (2, 4), "this quote is never closed", id="quote"),
        pytest.param("a: {b: c\n", (1, 4), 'not closed by a "}"', id="brace"),
        pytest.param("a: [b\n", (1, 4), 'not closed by a "]"', id="bracket"),
        pytest.param("a: @b\n", (1, 4), "has to stand in quotes", id="at"),
        pytest.param("a: b: c\n", (1, 5), 'quote a value that holds ": "', id="colon"),
        pytest.param("a: 1\n---\nb: 2\n", (2, 1), "a second document", id="documents"),
        pytest.param("a: x\x01y\n", (1, 5), "U+0001", id="control character"),
        pytest.param("a: 1\nb: \0\n", (2, 4), "U+0000", id="NUL"),
        pytest.param(b"a: 1\nb: x\xff\n", (2, 5), "not UTF-8: byte 0xff", id="latin-1"),
        pytest.param("a: 1".encode("utf-16"), (1, 1), "not UTF-8", id="utf-16"),
        pytest.param("a: *b\n", (1, 4), "no anchor &b", id="alias"),
        pytest.param("a: &a [*a]\n", (1, 8), "no anchor &a", id="cycle"),
        pytest.param("a: !!python/object:os.system x\n", (1, 4), "the tag", id="tag"),
        pytest.param("? [a, b]\n: 1\n", (1, 3), "a key has to be plain text", id="list as key"),
        pytest.param('a: "x\\ud800y"\n', (1, 4), "half a character", id="lone surrogate"),
        pytest.param("<<: 1\n", (1, 5), "takes a map or a list of maps", id="merge of a text"),
        pytest.param("a: " + "[" * 60 + "]" * 60, (1, 44), "deep", id="deep"),
        pytest.param("#" * (MAX_BYTES + 1), (1, 1), "larger than 1 MiB", id="large"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place(
    text: str | bytes, place: tuple[int, int], part: str
) -> None:
    line, column, _, message = only(text)
    assert part in message
    assert (line, column) == place


def test_aliases_cannot_be_blown_up() -> None:
    lines = ["l0: &l0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "more than 20000 values" in only("\n".join(lines))[3]


@pytest.mark.parametrize(
    ("value", "template"),
    [
        pytest.param("{meeting_type.name}", "{meeting_type.name}", id="one field"),
        pytest.param("{link|location}", "{link|location}", id="alternatives"),
        pytest.param("{start:%d.%m., %H:%M}", "{start:%d.%m., %H:%M}", id="format with a comma"),
        pytest.param("{title}: {attendees.names}", "{title}: {attendees.names}", id="two fields"),
        pytest.param("{title} at {start:time}  # why", "{title} at {start:time}", id="comment"),
        pytest.param("About: {title}", "About: {title}", id="text first"),
    ],
)
def test_an_unquoted_template_is_named_and_hides_nothing_after_it(value: str, template: str) -> None:
    _, problems = read(f"texts:\n  note: {value}\n  a: 1\n  a: 2\n")
    assert [(p.line, p.column, p.path, p.message) for p in problems] == [
        (2, 9, "texts.note", f'a template has to stand in quotes: "{template}"'),
        (4, 3, "texts.a", "duplicate key; it stands in line 3 already"),
    ]


def test_an_unquoted_template_inside_braces_ends_at_the_comma() -> None:
    root, problems = read("event: {title: {title}: {attendees.names}, note: x}\n")
    assert [(p.column, p.path, p.message) for p in problems] == [
        (16, "event.title", 'a template has to stand in quotes: "{title}: {attendees.names}"')
    ]
    assert as_text(root) == {"event": {"title": "{title}: {attendees.names}", "note": "x"}}


def test_a_map_is_not_mistaken_for_a_template() -> None:
    root, problems = read("a: {title: x, start: y}\nb: {}\nc: {other}\n")
    assert problems == []
    assert as_text(root) == {"a": {"title": "x", "start": "y"}, "b": {}, "c": {"other": None}}
