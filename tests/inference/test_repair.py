"""Repair of one file with the fake predictor: selection, ranking, verification, the patch."""

from __future__ import annotations

import pytest

from codemtl.errors import SourceError
from codemtl.inference import soundness
from codemtl.inference.fake import FakePredictor
from codemtl.inference.repair import RepairOptions, repair_source
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.findings import Finding
from codemtl.syntax.results import FileResult, has_fix
from codemtl.syntax.tree import SourceTree
from codemtl.syntax.verify import verify


def repaired(text: str, predictor: FakePredictor, *names: str, **options: object) -> FileResult:
    return repair_source(
        SourceFile.from_bytes(text.encode()), predictor, RepairOptions(**options), names
    )


TWO = "def f(a, b):\n    return a < b\n\n\ndef g(a, b):\n    return a < b or b < a\n"


def test_findings_come_best_first_and_the_patch_holds_them_all() -> None:
    result = repaired(TWO, FakePredictor({"<": "<="}))
    assert [round(one.confidence, 2) for one in result.findings] == [0.81, 0.8, 0.8]
    assert [one.function for one in result.findings] == ["g", "f", "g"]
    assert result.patched == TWO.replace("<", "<=").encode()
    assert result.unresolved == []


def test_nothing_found_means_no_patch() -> None:
    result = repaired(TWO, FakePredictor())
    assert (result.status, result.findings, result.patched) == ("ok", [], None)


def test_edits_that_break_syntax_are_never_shown() -> None:
    assert repaired(TWO, FakePredictor({"<": "<<<"})).findings == []
    assert repaired(TWO, FakePredictor({"a": "1 +"})).findings == []


def test_threshold_of_the_weights_yields_to_the_user() -> None:
    fake = FakePredictor({"<": "<="}, confidence=0.4)
    assert repaired(TWO, fake).findings == []
    assert len(repaired(TWO, fake, min_confidence=0.3).findings) == 3


def test_max_findings_keeps_the_best() -> None:
    findings = repaired(TWO, FakePredictor({"<": "<="}), max_findings=1).findings
    assert [one.function for one in findings] == ["g"]
    assert findings[0].confidence > 0.8


def test_kinds() -> None:
    fake = FakePredictor({"<": "<="}, kind="comparison")
    assert len(repaired(TWO, fake, kinds=frozenset({"comparison"})).findings) == 3
    assert repaired(TWO, fake, kinds=frozenset({"literal"})).findings == []


def test_a_nested_function_reports_once() -> None:
    text = "def outer(a, b):\n    def inner():\n        return a < b\n    return inner\n"
    assert len(repaired(text, FakePredictor({"<": "<="})).findings) == 1


def test_qualified_names_narrow() -> None:
    fake = FakePredictor({"<": "<="})
    assert {one.function for one in repaired(TWO, fake, "f").findings} == {"f"}
    with pytest.raises(SourceError, match="h"):
        repaired(TWO, fake, "h")


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("ignore", 0),
        ("ignore[comparison]", 0),
        ("ignore[literal]", 1),
        ("ignore[a, comparison]", 0),
    ],
)
def test_suppression(comment: str, left: int) -> None:
    text = f"def f(a, b):\n    return a < b  # codemtl: {comment}\n"
    assert len(repaired(text, FakePredictor({"<": "<="}, kind="comparison")).findings) == left


class Alternatives(FakePredictor):
    """Offers two replacements for one place, and an insertion beside it."""

    def _findings(self, tree, function):  # type: ignore[no-untyped-def]
        at = tree.data.index(b"leng")
        shared = {"function": function.qualname, "message": "m"}
        return [
            Finding(kind="call-misuse", start=at, end=at + 4, original="leng", replacement="len",
                    confidence=0.9, **shared),
            Finding(kind="call-misuse", start=at, end=at + 4, original="leng", replacement="max",
                    confidence=0.8, **shared),
            Finding(kind="negation", start=at, end=at, original="", replacement="not ",
                    confidence=0.7, **shared),
        ]  # fmt: skip


def test_alternatives_for_one_place() -> None:
    text = "def f(items):\n    return leng(items)\n\n\ndef g():\n    pass\n"
    best = repaired(text, Alternatives(), "f")
    assert [found.replacement for found in best.findings] == ["len"]
    both = repaired(text, Alternatives(), "f", candidates=3, kinds=frozenset({"call-misuse"}))
    assert [found.replacement for found in both.findings] == ["len", "max"]
    assert both.patched == text.replace("leng(", "len(").encode()
    assert both.unresolved == []  # the second was an alternative to the first


def test_undefined_names_are_ranked_with_the_rest() -> None:
    text = "def f(values):\n    total = sum(values)\n    return totl < 1\n"
    result = repaired(text, FakePredictor({"<": "<="}, confidence=0.8))
    assert [one.kind for one in result.findings] == ["undefined-name", "variable-misuse"]
    first = result.findings[0]
    assert (first.original, first.replacement, first.function) == ("totl", "total", "f")
    assert result.patched == text.replace("totl <", "total <=").encode()


def test_an_undefined_name_without_suggestion_stays_unresolved() -> None:
    result = repaired("def f():\n    return qwertyuiop()\n", FakePredictor())
    (found,) = result.findings
    assert not has_fix(found)
    assert result.patched is None
    assert result.unresolved == [found]


@pytest.mark.parametrize(
    ("name", "guess", "chance", "shown", "confidence"),
    [
        ("qwertyuiop", "str", 0.6, "str", 0.4),  # the file suggests nothing
        ("qwertyuiop", "str", 0.95, "str", 0.8),
        ("totl", "a", 0.6, "total", 0.8),  # what the file suggests comes first
        ("totl", "a", 0.95, "a", 0.8),  # unless the model is sure
        ("totl", "total", 0.95, "total", 0.95),
        ("size", "total", 0.95, "self.size", 0.8),  # what is more than spelled alike
    ],
)
def test_file_and_model_say_what_an_undefined_name_was_meant_to_be(
    name: str, guess: str, chance: float, shown: str, confidence: float
) -> None:
    fake = FakePredictor({name: guess}, confidence=chance, kind="undefined-name")
    text = "class A:\n    size = 1\n\n    def f(self, a):\n        total = a\n        return "
    (found,) = repaired(f"{text}{name} + 1\n", fake, min_confidence=0).findings
    assert (found.kind, found.replacement) == ("undefined-name", shown)
    assert found.confidence == pytest.approx(confidence)
    assert f"did you mean {shown!r}?" in found.message


def test_a_slip_in_an_attribute_of_self_is_repaired() -> None:
    text = "class A:\n    def __init__(self):\n        self.size = 1\n\n    def f(self):\n        "
    result = repaired(text + "return self.sise\n", FakePredictor())
    (found,) = result.findings
    assert (found.kind, found.function, found.replacement) == ("attribute-misuse", "A.f", "size")
    assert found.message == "nothing in the file defines the attribute 'sise'; did you mean 'size'?"
    assert result.patched == (text + "return self.size\n").encode()


def test_good_functions_of_a_broken_file_are_handled() -> None:
    text = TWO + "\n\ndef broken(:\n    return undefined_thing <\n"
    result = repaired(text, FakePredictor({"<": "<="}))
    assert result.status == "error"
    assert "syntax error near line" in (result.message or "")
    assert {one.function for one in result.findings} == {"f", "g"}
    assert result.patched is not None
    assert result.patched.endswith(text.encode()[-30:])


def test_lines_that_end_in_carriage_returns() -> None:
    result = repaired(
        "def f(a):\r    return leng(a)\rleng = None\r", FakePredictor({"leng": "len"})
    )
    assert result.patched == b"def f(a):\r    return len(a)\rleng = None\r"


def test_what_python_reads_and_the_grammar_does_not_is_no_error() -> None:
    result = repaired(TWO + "\n\ndef h(x):\n    (x.\nreal)\n", FakePredictor())
    assert result.status == "ok"
    assert "syntax error near line" in (result.message or "")


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("def f(x):\nreturn leng(x)\n", "error", "indentation error near line 2"),
        ("if x:\n\ty=1\n        z=2\n", "error", "indentation error near line 3"),
        ("def f(:\n  pass\n", "error", "syntax error near line 1"),
        ('def f(x):\n    print "z", y\n', "ok", "does not read line 2 (Missing parentheses"),
        ("try: pass\nexcept E, e: e\n", "ok", "does not read line 2"),
        ("return 1\n", "ok", None),
    ],
)
def test_what_python_does_not_read(text: str, status: str, message: str | None) -> None:
    """Wrong indentation is an error; else another Python may read it. No name is guessed at."""
    result = repaired(text, FakePredictor({"leng": "len"}))
    assert (result.status, result.findings) == (status, [])
    assert message is None or message in (result.message or "")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "x = 1\n", "class A: pass"])
def test_files_without_functions(text: str) -> None:
    result = repaired(text, FakePredictor({"x": "y"}))
    assert (result.status, result.message, result.findings) == ("ok", None, [])


def test_the_body_of_a_named_class_is_looked_at_too() -> None:
    text = "class A:\n    x = undefnd\n\n    def f(self):\n        return 1\n\n\ny = undefnd\n"
    (one,) = repaired(text, FakePredictor(), "A", min_confidence=0.0).findings
    assert (one.original, one.start) == ("undefnd", text.index("undefnd"))
    assert repaired(text, FakePredictor(), "A.f", min_confidence=0.0).findings == []


def test_one_name_in_a_long_table_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[Edit]] = []

    def counted(tree: SourceTree, edits: list[Edit]) -> bytes:
        calls.append(edits)
        return verify(tree, edits)

    monkeypatch.setattr(soundness, "verify", counted)
    text = "length = 1\ntable = [\n" + "    lenght,\n" * 300 + "]\n"
    result = repaired(text, FakePredictor(), min_confidence=0.0)
    assert len(result.findings) == 300 and len(calls) == 1
    assert result.patched == text.replace("lenght", "length").encode()
