from __future__ import annotations

import pytest

from codemtl.corpus import messages
from codemtl.corpus.messages import may_be_silent, rejection


@pytest.mark.parametrize(
    "message",
    [
        "Fix off-by-one in the last page",
        "fix: handle empty batches (#12)",
        "BUG: special: Use a stricter tolerance",
        "Bugfix for issue 14",
        "[mypyc] Fix crash on double yielding iterators (#21826)",
        "Respect availability_zone in the API\n\nLong story.\n\nCloses-Bug: #1234567",
        "Wrong default in session lookup",
        "Avoid division by zero\n\nFixes #42.",
        "Don't raise KeyError for unknown hosts",
        "fixed typo in variable",
    ],
)
def test_says_fix(message: str) -> None:
    assert rejection(message) is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Add retries", messages.NOT_A_FIX),
        ("", messages.NOT_A_FIX),
        ("prefix and suffix of names", messages.NOT_A_FIX),
        ("Fix flake8", messages.TRIVIAL),
        ("docs: fix example", messages.TRIVIAL),
        ("DOC: fix wrong formula", messages.TRIVIAL),
        ("MAINT: fix bug in build", messages.TRIVIAL),
        ("Fix typo in docstring", messages.TRIVIAL),
        ("fix failing tests", messages.TRIVIAL),
        ("Fix import order", messages.TRIVIAL),
        ("Fix mypy errors", messages.TRIVIAL),
        ("Fix type hints of walk", messages.TRIVIAL),
        ("Fix deprecation warnings", messages.TRIVIAL),
        ("fix the build", messages.TRIVIAL),
        ("fix CI", messages.TRIVIAL),
        ('Revert "Fix crash"', messages.REVERT),
        ("fixes from review", messages.REVIEW),
        ("Fix Python 3 incompatibility", messages.PORTING),
        ("Add support for sockets, fixes #7", messages.FEATURE),
        ("[api] Allow lists\n\nfixes #7", messages.FEATURE),
    ],
)
def test_says_no_fix(message: str, reason: str) -> None:
    assert rejection(message) == reason


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("Use the view, not the context", True),
        ("retries=1, solved. (#1731)", True),
        ("", True),
        ("Fix off-by-one in the last page", False),
        ("Fix flake8", False),
        ("Rename low to high", False),
        ("refactor: take the view", False),
        ("Back out the view", False),
        ("Python 3: next is a function", False),
    ],
)
def test_may_be_silent(message: str, answer: bool) -> None:
    assert may_be_silent(message) == answer


def test_what_is_taken_back() -> None:
    text = 'Revert "Fix x"\n\nThis reverts commit 0123456789abcdef0123456789abcdef01234567.\n'
    assert messages.reverted(text) == ["0123456789abcdef0123456789abcdef01234567"]
    assert messages.reverted("This reverts nothing") == []


def test_first_line() -> None:
    assert messages.first_line("\n  Fix it  \n\nbody") == "Fix it"


def test_long_messages_are_read_in_no_time() -> None:
    for text in ("fix " * 50_000, "[a] " * 50_000, "a.b: " * 50_000, "word " * 50_000):
        rejection(text)
