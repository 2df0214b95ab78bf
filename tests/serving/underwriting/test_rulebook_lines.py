"""Every value of a TOML text is found at its line."""

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from serving.underwriting.rulebook_lines import lines_of

TEXT = '''# a comment with [brackets] = and "quotes"
title = "a = b # no comment"
day = 2025-01-01 08:00:00
number=1_000
[clauses.one]
text = """
several = 1
[lines]
"""
other = \'\'\'it's
raw\'\'\'
"quoted key" = true # [not.a.table]
a.b.c = 1
[[factors]]
name = "first"
[factors.rule]
cases = [
    # between
    { name = "x", when = [{ fact = "p" }, { fact = "q" }] }, { name = "y" },
    [1,
     2]
]
[[factors]]
levels = { none = 1.1, 3 = 1.0 }
[[factors.parts]]
at = 1
[[factors.parts]]
at = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("day",), 3),
        (("number",), 4),
        (("clauses", "one"), 5),
        (("clauses", "one", "text"), 6),
        (("clauses", "one", "other"), 10),
        (("clauses", "one", "quoted key"), 12),
        (("clauses", "one", "a", "b"), 13),
        (("clauses", "one", "a", "b", "c"), 13),
        (("factors",), 14),
        (("factors", 0, "name"), 15),
        (("factors", 0, "rule", "cases"), 17),
        (("factors", 0, "rule", "cases", 0, "when", 1, "fact"), 19),
        (("factors", 0, "rule", "cases", 1), 19),
        (("factors", 0, "rule", "cases", 2), 20),
        (("factors", 0, "rule", "cases", 2, 1), 21),
        (("factors", 1), 23),
        (("factors", 1, "levels", "3"), 24),
        (("factors", 1, "parts", 0), 25),
        (("factors", 1, "parts", 1, "at"), 28),
        (("factors", 1, "nowhere", "at all"), 23),
        (("nowhere",), 1),
    ],
)
def test_values_are_found(path: tuple[str | int, ...], line: int) -> None:
    assert lines_of(TEXT).of(*path) == line


def test_windows_line_ends_and_an_unfinished_last_line_count_alike() -> None:
    assert lines_of("a = 1\r\n\r\nb = [\r\n 1,\r\n 2]").of("b", 1) == 5


names = st.text(st.sampled_from("abc -.='\"#[é中"), min_size=1, max_size=4)
trees = st.recursive(
    st.just(None) | st.text(st.sampled_from("ab\\\"'\n#[]{}=,"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


def numbered(tree: Any, count: list[int]) -> Any:
    """The tree with a number of its own in each place that is left empty."""
    if isinstance(tree, dict):
        return {name: numbered(one, count) for name, one in tree.items()}
    if isinstance(tree, list):
        return [numbered(one, count) for one in tree]
    count[0] += tree is None
    return 900_000_000 + count[0] if tree is None else tree


def leaves(tree: Any, path: tuple[str | int, ...] = ()) -> Any:
    if isinstance(tree, dict | list):
        for key, one in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(one, (*path, key))
    elif isinstance(tree, int):
        yield path, tree


@given(st.dictionaries(names, trees, max_size=4), st.booleans())
def test_whatever_is_written_is_found_where_it_stands(tree: dict[str, Any], multiline: bool) -> None:
    document = numbered(tree, [0])
    text = tomli_w.dumps(document, multiline_strings=multiline)
    assert tomllib.loads(text) == document
    lines, rows = lines_of(text), text.split("\n")
    for path, number in leaves(document):
        assert str(number) in rows[lines.of(*path) - 1]
