"""What is said of one function, told of another."""

from __future__ import annotations

import pytest

from codemtl.inference.rewording import adapted, borrowed, reworded


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


@pytest.mark.parametrize(
    ("line", "names", "around", "wanted"),
    [
        # a name that changes around it
        ("source.close()", ("f", "f"), [("self . source = source", "self . target = target")],
         "target.close()"),
        # words of names, in the function's or around
        ("self.open_reader(READER)", ("add_reader", "add_writer"), [],
         "self.open_writer(WRITER)"),
        ("return minWidth", ("f", "g"), [("x = maxWidth", "x = maxHeight")], "return minHeight"),
        # the whole name before its words, the nearer before the farther
        ("a_b", ("f", "g"), [("x = a_b", "x = c_d"), ("y = a_b", "y = e_f")], "c_d"),
        ("b_a", ("f", "g"), [("x = a_b", "x = c_d"), ("y = a_b", "y = e_b")], "d_c"),
        # operators, numbers, keywords and lines that have nothing in common say nothing
        ("x = a + 1", ("f", "g"), [("y = 1 + z", "y = 2 - z")], "x = a + 1"),
        ("return a", ("f", "g"), [("if a :", "b = c ( d )")], "return a"),
        ("for item in items:", ("f", "g"), [("x in y", "x if y")], "for item in items:"),
        ("for item in items:", ("get_for", "get_in"), [], "for item in items:"),
        ("order = of", ("of_it", "in_it"), [], "order = of"),
        # in strings too
        ("log('reader')", ("reader", "writer"), [], "log('writer')"),
    ],
)  # fmt: skip
def test_a_line_is_adapted_to_what_stands_around_its_new_place(
    line: str, names: tuple[str, str], around: list[tuple[str, str]], wanted: str
) -> None:
    assert adapted(line, names, [(a.split(), b.split()) for a, b in around]) == wanted


@pytest.mark.parametrize(
    ("text", "name", "summary", "other", "wanted"),
    [
        ("Subtract two kernels.", "__mul__", "Subtract two filter kernels.", "__sub__", True),
        ("Multiply two kernels.", "__mul__", "Subtract two kernels.", "__sub__", True),
        ("Multiply two kernels.", "multiply", "Subtract two kernels.", "subtract", False),
        ("Close the file.", "close", "Open the file.", "open_file", False),
        ("Closes the file.", "closing", "Opens the file.", "open_file", False),
        ("Open the file.", "close", "Open the file.", "open", True),
        ("Open the file.", "open", "Open the file.", "open", False),
        ("Return it.", "close", "Open the file at a path.", "open", False),
        ("Load the size of it.", "size_of", "Load it.", "load", False),
        ("Load rest of the file.", "size_of", "Load rest from the file.", "load", True),
        ("Say.", "f", "", "g", False),
    ],
)
def test_what_is_only_said_of_another_function(
    text: str, name: str, summary: str, other: str, wanted: bool
) -> None:
    assert borrowed(text, name, summary, other) == wanted
