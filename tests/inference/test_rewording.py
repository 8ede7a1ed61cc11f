"""What is said of one function, told of another."""

from __future__ import annotations

import pytest

from codemtl.inference.rewording import reworded


@pytest.mark.parametrize(
    ("summary", "name", "other", "wanted"),
    [
        ("Disable LDAPS for a directory", "disable_ldaps", "enable_ldaps",
         "Enable LDAPS for a directory"),
        ("Parses a store path.", "parse_store_path", "parse_schema_path", "Parses a schema path."),
        ("Return the GTK desktop", "is_gtk", "is_kde", "Return the KDE desktop"),
        ("Get the min, or the max.", "min_max", "max_min", None),
        ("Map a to b.", "a_b", "b_c", None),
        ("Close it.", "close", "close", "Close it."),
        ("Return a deep copy.", "deepcopy", "copy", None),
        ("Return it.", "get_width", "get_height", None),
        ("Rewrite the writer.", "write", "read", None),
        ("Load the data.", "load", "load_all_data", None),
        ("Say (a+b).", "a", "b", "Say (b+b)."),
        ("", "f", "g", None),
    ],
)  # fmt: skip
def test_words_in_which_names_differ_are_replaced(
    summary: str, name: str, other: str, wanted: str | None
) -> None:
    assert reworded(summary, name, other) == wanted
