"""Whatever stands in a file: settings or ConfigError, a place for every problem, and nothing is made."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from hub.errors import ConfigError
from hub.settings import load_settings
from tests.unit.settings.example_adapters import ADAPTERS, ENVIRONMENT, SOUND

KEY_WORDS = """
hub http nats store logging sources sinks alerts type enabled webhook token verify poll config events start
max_age grace timeout retry first max attempts board key texts title note per lines slots labels logo match
url mode prefix listen timezone data_dir front wall gong name <<
"""
VALUE_WORDS = """
board bell desk broken trust fetch upcoming now 5m 0s -1 1e400 no ~ null {title} {start:%H} {{ ${A} $$ ${
${A:-x} ${file:.} ${generated:x} ${sim:x} sqlite:/// nats:// 127.0.0.1:1 [::1]:1 * & ! % @
"""
KEYS = st.sampled_from(KEY_WORDS.split())
WORDS = st.sampled_from([*VALUE_WORDS.split(), "\x00", "\ud800", "9" * 5000, "\U0001f469\u200d\U0001f52c"])
SCALARS = st.one_of(WORDS, st.text(max_size=12), st.integers(), st.booleans(), st.none(), st.floats())
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(KEYS, st.text(max_size=4)), inner, max_size=4)
    ),
    max_leaves=20,
)
SNIPPETS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *SOUND.splitlines(keepends=True),
                *"{}[],:&*#?|-<>=!%@\"'$~ \t\n\r\0".strip(),
                "  ",
                "\n",
                "\t",
                "- ",
                ": ",
            ]
        ),
        st.sampled_from(
            ["{title}", "{start:%H}: x", "&a ", "*a", "<<: *a", "--- ", "...\n", "%YAML 1.1\n", "!!int "]
        ),
        st.text(max_size=6),
    ),
    max_size=30,
).map("".join)


def answer(files: Sequence[Path], environ: Mapping[str, str]) -> ConfigError | None:
    try:
        load_settings(files, environ, adapters=ADAPTERS)
    except ConfigError as error:
        return error
    return None


def check(data: bytes, environ: Mapping[str, str], *, beside: bytes = b"", alone: bool = False) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lower, upper, variables = (Path(folder, name) for name in ("lower.yaml", "upper.yaml", "hub.env"))
        lower.write_text(SOUND)
        upper.write_bytes(data)
        variables.write_bytes(beside)
        error = answer([upper] if alone else [lower, upper], environ)
        assert set(Path(folder).iterdir()) == {lower, upper, variables}
        if error is not None:
            assert error.problems
            assert str(error).encode()
            assert {problem.file for problem in error.problems} <= {str(lower), str(upper), str(variables)}
            assert all(problem.line >= 1 <= problem.column and problem.message for problem in error.problems)


@given(st.binary(max_size=200))
@example(b"\xff\xfea\x00")
def test_any_bytes(data: bytes) -> None:
    check(data, ENVIRONMENT, alone=True)


@given(SNIPPETS)
@example('a: "\\U99999999"')
@example("? ")
@example("!<tag:> a: b")
@example("%TAG ! tag:x\n---\n!a b: c")
@example("a: !!binary x")
@example("[" * 3000)
@example("- " * 3000)
def test_any_text(text: str) -> None:
    check(text.encode("utf-8", "surrogatepass"), ENVIRONMENT, alone=True)


@given(TREES)
def test_any_tree(tree: Any) -> None:
    check(json.dumps(tree).encode(), ENVIRONMENT | {"A": "{title}"})


@given(TREES, TREES, TREES)
@example([], "\ud800", None)
def test_any_values_where_keys_are_right(first: Any, second: Any, third: Any) -> None:
    tree = {
        "hub": {"data_dir": first, "timezone": second},
        "nats": {"url": third},
        "store": {"url": first},
        "sources": {"front": {"type": "desk", "webhook": {"token": third}}},
        "sinks": {
            "wall": {"type": "board", "grace": second, "config": {"board": first, "texts": {"title": third}}},
            "gong": {"type": "bell", "events": third, "config": second},
        },
    }
    check(json.dumps(tree).encode(), ENVIRONMENT | {"A": "\x00"})


@given(st.one_of(st.binary(max_size=60), st.text(alphabet="AB=\"'\\# \n\t", max_size=40).map(str.encode)))
def test_any_variables_file(beside: bytes) -> None:
    check(b"hub: {timezone: '${A:-UTC}'}", ENVIRONMENT, beside=beside)


@given(st.dictionaries(st.sampled_from(["FRONT_TOKEN", "A", "B"]), st.text(max_size=20) | st.just("\udcff")))
def test_any_environment(environ: dict[str, str]) -> None:
    check(b"hub: {timezone: '${A}', data_dir: '${B}'}\nhttp: {listen: '${A}${B}'}", environ)
