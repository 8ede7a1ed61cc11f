"""The torch runtime on an untrained model: sound findings and texts, whatever they say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from codemtl.errors import ModelError
from codemtl.inference import (
    GenerationRequest,
    load_predictor,
    onnx_runtime,
    reading,
    repair_runtime,
    torch_runtime,
)
from codemtl.inference.generate import generate_body, generate_line, generate_text
from codemtl.inference.predictor import RepairRequest
from codemtl.inference.prompts import header
from codemtl.inference.repair_runtime import RepairRuntime
from codemtl.inference.torch_runtime import TorchPredictor
from codemtl.inference.torch_texts import Written
from codemtl.model.checkpoints import save_network
from codemtl.model.config import PRESETS, ModelConfig
from codemtl.model.network import Network
from codemtl.syntax.definitions import functions
from codemtl.syntax.edits import Edit
from codemtl.syntax.files import SourceFile
from codemtl.syntax.findings import Finding
from codemtl.syntax.scopes import analyze
from codemtl.syntax.tree import SourceTree, parse
from codemtl.syntax.verify import verify
from codemtl.tasks.corruption import RepairInput
from codemtl.tasks.example import Ints, piece_ids
from codemtl.tasks.generate import Generate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model")
    save_network(Network(PRESETS["tiny"]), folder, name="untrained", calibration={"bias": -1.0})
    shutil.copy(ROOT / "data" / "tiny" / "tokenizer.json", folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> TorchPredictor:
    return torch_runtime.load(folder)


@pytest.fixture(
    scope="module", params=[onnx_runtime.load, torch_runtime.load], ids=["onnx", "torch"]
)
def either(folder: Path, request: pytest.FixtureRequest) -> RepairRuntime:
    """Repair by both runtimes."""
    found = request.param(folder)
    assert isinstance(found, RepairRuntime)
    return found


@pytest.fixture(scope="module")
def tree() -> SourceTree:
    return parse((ROOT / "data" / "example_buggy.py").read_bytes())


def test_the_folder_says_who_the_model_is(either: RepairRuntime, folder: Path) -> None:
    digest = json.loads((folder / "config.json").read_text())["sha256"]
    assert (either.name, either.revision) == ("untrained", digest[:12])
    assert either.calibration.bias == -1.0


def test_findings_are_sorted_edits_that_stand_up_to_verification(
    either: RepairRuntime, tree: SourceTree
) -> None:
    wanted = functions(tree)
    found = either.repair(tree, wanted, analyze(tree))
    assert len(found) == len(wanted) and all(found)
    for definition, findings in zip(wanted, found, strict=True):
        confidences = [finding.confidence for finding in findings]
        assert confidences == sorted(confidences, reverse=True)
        assert all(0 < one < 1 for one in confidences)
        for finding in findings[:5]:
            assert finding.function == definition.qualname
            assert definition.node.start_byte <= finding.start <= finding.end
            assert tree.data[finding.start : finding.end].decode() == finding.original
            verify(tree, [Edit(finding.start, finding.end, finding.replacement)])


def test_what_a_function_gets_does_not_depend_on_its_company(
    either: RepairRuntime, tree: SourceTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = functions(tree)
    together = either.repair(tree, wanted, analyze(tree))
    monkeypatch.setattr(reading, "BATCH_PIECES", 1)
    alone = either.repair(tree, wanted, analyze(tree))
    for one, other in zip(together, alone, strict=True):
        left = {(f.start, f.end, f.replacement): f.confidence for f in one}
        right = {(f.start, f.end, f.replacement): f.confidence for f in other}
        shared = left.keys() & right.keys()
        assert len(shared) >= 0.8 * len(left)
        for key in shared:
            assert left[key] == pytest.approx(right[key], rel=1e-3)


def test_what_the_file_contradicts_is_left_out(
    either: RepairRuntime, tree: SourceTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, scopes = functions(tree), analyze(tree)
    first = either.repair(tree, wanted, scopes)
    best = {(one[0].start, one[0].replacement) for one in first}
    monkeypatch.setattr(
        repair_runtime,
        "contradicted",
        lambda _, site, replacement: (site.start, replacement) in best,
    )
    second = either.repair(tree, wanted, scopes)
    left = {(one.start, one.replacement) for found in second for one in found}
    assert left and not left & best


def test_a_long_function_is_read_in_windows(either: RepairRuntime) -> None:
    body = "".join(f"    value_{n} = first + value_{n - 1} * {n}\n" for n in range(1, 150))
    tree = parse(f"def long(first, value_0):\n{body}    return first\n".encode())
    scored = list(either.scored_edits([RepairRequest(tree, functions(tree), analyze(tree))]))
    assert len(scored) > 2
    places = [one.scored.edit.start for *_, edits in scored for one in edits]
    assert max(places) > 0.8 * len(tree.data)


def test_what_is_remembered_is_not_asked_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"def f{n}(a, b):\n    if a < {n}:\n        return b\n\n\n" for n in range(6))
    model = onnx_runtime.load(folder)
    asked = []
    real = model._ask

    def ask(inputs: list[RepairInput]) -> object:
        asked.append(len(inputs))
        return real(inputs)

    monkeypatch.setattr(model, "_ask", ask)

    def found(text: str) -> list[list[Finding]]:
        tree = parse(text.encode())
        return model.repair(tree, list(functions(tree)), analyze(tree))

    plain = found(text)
    model.remember(6)
    assert found(text) == found(text) == plain
    assert asked == [6, 6]
    moved = found("# a line more\n" + text.replace("a < 3", "a > 3"))
    assert asked == [6, 6, 1]
    assert [one.start - 14 for one in moved[2]] == [one.start for one in plain[2]]
    model.remember(2)
    found("x = 1\n" + text)
    assert len(model.memory) == 2


def test_one_summary_for_each_function(model: TorchPredictor, tree: SourceTree) -> None:
    wanted = functions(tree)[:3]
    texts = model.summarize(tree, wanted)
    assert len(texts) == 3
    assert all("\n" not in text for text in texts)
    assert model.summarize(tree, []) == []


@pytest.mark.parametrize("kind", ["text", "line", "body"])
def test_candidates_are_distinct_and_no_more_than_the_search_follows(
    model: TorchPredictor, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Generate, "limit", 8)
    source = b"def add(a, b):\n    total = a + b\n    return total\n"
    tree = parse(source)
    function = functions(tree)[0]
    at = source.index(b"total"), source.index(b"\n    return")
    requests: dict[str, GenerationRequest] = {
        "text": GenerationRequest("text", 2, "Add two numbers."),
        "line": GenerationRequest("line", 2, tree=tree, function=function, start=at[0], end=at[1]),
        "body": GenerationRequest(
            "body", 2, tree=tree, function=function, start=at[0], end=len(source) - 1
        ),
    }
    texts = model.generate(requests[kind])
    assert 2 <= len(texts) <= Generate.beams
    assert len(set(texts)) == len(texts)


BODY = "for x in xs:\n        print(x)\n    return 1"  # as it is learned: the function stands at 0
BLOCK = "with lock:\n        return sum(xs)"  # all later lines are deeper than the first


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("def f(xs):\n    pass\n", "f"),
        ('def f(xs):\n    """Say."""\n', "f"),
        ('class A:\n    def f(self, xs):\n        """Say."""\n', "A.f"),
        ("class A:\n  def f(self, xs):\n    if xs:\n      return 0\n", "A.f"),
    ],
)
def test_lines_of_a_body_stand_as_they_were_learned(
    model: TorchPredictor, source: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: list[str] = []

    def write(task: object, ids: list[Ints], beams: int) -> list[list[Written]]:
        inputs.append(model.tokenizer.decode(piece_ids(ids[0])))
        return [[Written(BODY, -1.0, 9), Written(BLOCK, -2.0, 9)]]

    monkeypatch.setattr(model, "_hypotheses", write)
    file = SourceFile.from_bytes(source.encode(), Path("a.py"))
    found = generate_body(file, model, name, candidates=2)
    assert [one.text for one in found.candidates] == [
        "for x in xs:\n    print(x)\nreturn 1", "with lock:\n    return sum(xs)",
    ]  # fmt: skip
    assert inputs[0].endswith(":\n    ")


def test_a_function_from_a_description_compiles(
    model: TorchPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [Written(BODY, -1.0, 9), Written("x = 1\n        y = 2", -2.0, 9)]
    monkeypatch.setattr(model, "_hypotheses", lambda *_: [texts])
    found = generate_text("Print them.", model, candidates=2)
    assert [one.text.splitlines()[1:] for one in found.candidates] == [
        ["    for x in xs:", "        print(x)", "    return 1"]
    ]
    assert found.dropped == 1


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("parse an ISO date", "parse_iso_date"),
        ("Return the largest of 3 numbers", "largest_numbers"),
        ("return it", "function"),
        ("class", "function"),
        ("\u4f60\u597d", "function"),
        ("one two three four five six", "one_two_three_four_five"),
    ],
)
def test_a_description_gives_the_function_its_name(description: str, name: str) -> None:
    assert header(description) == f"def {name}(value):"


def test_an_empty_line_is_asked_for_within_its_block(
    model: TorchPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: list[str] = []

    def write(task: object, ids: list[Ints], beams: int, **_: object) -> list[list[Written]]:
        inputs.append(model.tokenizer.decode(piece_ids(ids[0])))
        return [[Written("x = 1", -1.0, 4)]]

    monkeypatch.setattr(model, "_hypotheses", write)
    text = "def f(xs):\n    total = 0\n\n    for x in xs:\n        total += x\n    return total\n"
    file = SourceFile.from_bytes(text.encode(), Path("a.py"))
    (one,) = generate_line(file, model, 3).candidates
    assert one.patched == text.replace("0\n\n", "0\n    x = 1\n").encode()
    assert "returntotal" in inputs[0], "what follows is read too"


def test_a_long_function_is_read_around_the_place(model: TorchPredictor) -> None:
    lines = [f"    total_{number} = first + {number}" for number in range(400)]
    source = "\n".join(["def long_one(first):", *lines]) + "\n"
    tree = parse(source.encode())
    at = source.index("total_200")
    request = GenerationRequest(
        "line", tree=tree, function=functions(tree)[0], start=at, end=source.index("\n", at)
    )
    ids, level = model._asked(request)[:2]
    text = model.tokenizer.decode(piece_ids(ids))
    assert len(ids) <= model.network.config.window + model.network.config.context_limit
    assert level == 4 and "long_one" in text
    assert all(f"total_{number}=first+{number}" in text for number in (198, 199, 201, 202))


PAIR = """
def open_reader(source):
    source.check_reader()
    return Reader(source)


def open_writer(target):
    target.check()
    return Writer(target)
"""


@pytest.mark.parametrize("kind", ["line", "body"])
def test_similar_lines_of_the_file_are_read(
    model: TorchPredictor, kind: Literal["line", "body"], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, start = parse(PAIR.encode()), PAIR.index("target.check")
    end = start + len("target.check()") if kind == "line" else len(PAIR) - 1
    request = GenerationRequest(kind, tree=tree, function=functions(tree)[1], start=start, end=end)
    text = model.tokenizer.decode(piece_ids(model._asked(request).ids))
    assert "source.check_reader()\n" in text and "target.check()" not in text
    alone = replace(model.network.config, siblings=False)
    monkeypatch.setattr(model.network, "config", alone)
    text = model.tokenizer.decode(piece_ids(model._asked(request).ids))
    assert "source.check_reader()" not in text


def test_lines_of_files_beside_it_are_read_too(model: TorchPredictor) -> None:
    first, second = PAIR.split("\n\n\n")
    tree, start = parse(second.encode(), (b"", first.encode())), second.index("target.check")
    request = GenerationRequest(
        "line", tree=tree, function=functions(tree)[0], start=start, end=start + 14
    )
    asked = model._asked(request)
    assert asked.lines[0][:2] == ("target.check_writer()", True)
    assert "return Reader(source)" in [line.text for line in asked.lines], "with its spaces"
    assert "source.check_reader()\n" in model.tokenizer.decode(piece_ids(asked.ids))


def test_lines_of_the_file_compete_with_what_the_decoder_writes(
    model: TorchPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, start = parse(PAIR.encode()), PAIR.index("target.check")
    request = GenerationRequest(
        "line", tree=tree, function=functions(tree)[1], start=start, end=start + 14
    )
    asked = model._asked(request)
    first, second = asked.lines[:2]
    assert first[:2] == ("target.check_writer()", True)
    assert second[:2] == ("source.check_reader()", False) and first.score == second.score > 0
    texts = [line.text for line in asked.lines]
    assert "return Reader(source)" in texts, "with the spaces that it has in the file"
    proposals, place, _ = model.proposals(request)
    assert set(texts) <= {one.text for one in proposals}
    assert place is not None and place.unread == set()
    ranked = [one for one in proposals if one.rank is not None]
    assert [one.text for one in sorted(ranked, key=lambda one: one.rank or 0)] == texts
    monkeypatch.setattr(model, "_hypotheses", lambda *_, **__: [[Written("x = 1", -100.0, 4)]])
    assert set(model.generate(request)) == {"x = 1", *texts}
    assert model.generate(request)[-1] == "x = 1"
    monkeypatch.setattr(
        model, "_hypotheses", lambda *_, **__: [[Written(" return  Reader(source)", -1.0, 9)]]
    )
    both = [one for one in model.proposals(request)[0] if one.beam == 0]
    assert [one.text for one in both] == ["return Reader(source)"], "once, as it is in the file"
    assert both[0].rank is not None and both[0].pieces == 9


@pytest.mark.parametrize("name", ["size", "size_" * 200])
def test_the_decoder_is_made_to_bind_what_is_wanted(model: TorchPredictor, name: str) -> None:
    source = f"def area(width, height):\n    pass\n    return round({name})\n"
    tree, start = parse(source.encode()), source.index("pass")
    request = GenerationRequest(
        "line", tree=tree, function=functions(tree)[0], start=start, end=start + 4
    )
    found, place, level = model.proposals(request)
    begun = [one for one in found if one.begun]
    assert all(one.text.startswith("size = ") for one in begun)
    assert bool(begun) == (name == "size"), "no more than fits"
    assert place is not None and place.wanted == {name} and level == 4


def test_no_line_outside_of_a_function_returns(
    model: TorchPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[str]] = []

    def write(*_: object, never: Sequence[int] = ()) -> list[list[Written]]:
        told.append([model.tokenizer.decode([piece]) for piece in never])
        return [[Written("x = 1", -1.0, 4)]]

    monkeypatch.setattr(model, "_hypotheses", write)
    file = SourceFile.from_bytes(b"x = 0\n\n\ndef f(x):\n    y = x\n    return y\n", Path("a.py"))
    for line in (1, 5):
        generate_line(file, model, line)
    words = ("return", "yield", "await")
    assert all(word.startswith(one) for word, one in zip(words, told[0], strict=True))
    assert told[1:] and not any(told[1:])


TWINS = """
def disable_reader(self, name, force):
    \"\"\"Disable the reader of a name.\"\"\"
    found = self.readers.get(name, force)
    found.close()
    return found


def disable_writer(self, name, force):
    found = self.writers.get(name, force)
    found.close()
    return found


def something(other):
    yield from other[1:]
"""


def test_what_a_similar_function_says_is_said_of_this_one(
    model: TorchPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = -100.0

    def write(task: object, inputs: list[Ints], beams: int) -> list[list[Written]]:
        return [[Written("Say.", score, 3)] for _ in inputs]

    monkeypatch.setattr(model, "_hypotheses", write)
    tree = parse(TWINS.encode())
    assert model.summarize(tree, functions(tree)) == [
        "Say.",
        "Disable the writer of a name.",
        "Say.",
    ]
    score = 0.0
    assert model.summarize(tree, functions(tree)) == ["Say."] * 3, "what is likelier by far"
    score = -100.0
    monkeypatch.setattr(model.network, "config", replace(model.network.config, siblings=False))
    assert model.summarize(tree, functions(tree)) == ["Say."] * 3


def test_what_is_only_said_of_another_function_is_not_said(
    model: TorchPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def write(task: object, inputs: list[Ints], beams: int) -> list[list[Written]]:
        asked.append([model.tokenizer.decode(piece_ids(ids)) for ids in inputs])
        copied = Written("Disable the reader of a name.", -0.1, 8)
        own = Written("Yield all but the first.", -9.0, 8)
        return [[copied] if "Disable the reader" in text else [own] for text in asked[-1]]

    monkeypatch.setattr(model, "_hypotheses", write)
    tree = parse(TWINS.encode())
    found = model.summarize(tree, functions(tree)[2:])
    assert found == ["Yield all but the first."]
    assert ["Disable the reader" in text for (text,) in asked] == [True, False]


def test_an_unfinished_line_does_not_hide_the_functions_below(model: TorchPredictor) -> None:
    source = "def first(xs):\n    total = call(xs, [\n    return total\n" + PAIR
    tree, start = parse(source.encode()), source.index("total = call")
    request = GenerationRequest(
        "line", tree=tree, function=functions(tree)[0], start=start, end=source.index("\n", start)
    )
    text = model.tokenizer.decode(piece_ids(model._asked(request).ids))
    assert "source.check_reader()\n" in text and "returnWriter(target)\n" in text


def test_summaries_of_the_file_are_read(
    model: TorchPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = PAIR.replace("source):\n", 'source):\n    """Open a source for reading."""\n', 1)
    tree, asked = parse(source.encode()), list[str]()

    def remember(task: object, inputs: list[Ints], beams: int) -> list[list[Written]]:
        asked.extend(model.tokenizer.decode(piece_ids(ids)) for ids in inputs)
        return [[Written("Say.", -1.0, 3)] for _ in inputs]

    monkeypatch.setattr(model, "_hypotheses", remember)
    model.summarize(tree, functions(tree))
    own, other = sorted(asked, key=lambda text: "Open a source for reading." in text)
    assert "defopen_reader(Open a source for reading.\n" in other
    assert "Open a source" not in own, "its own docstring is not told"


def test_what_the_docstring_says_is_read_where_a_body_is_written(model: TorchPredictor) -> None:
    source = 'def area(side):\n    """Return the area of a square.\n\n    Long."""\n    return 1\n'
    tree = parse(source.encode())
    at = source.index("return")
    request = GenerationRequest(
        "body", tree=tree, function=functions(tree)[0], start=at, end=len(source) - 1
    )
    said = model.tokenizer.encode("Return the area of a square.")
    ids, *_ = model._asked(request)
    assert " ".join(map(str, said)) in " ".join(map(str, ids.tolist()))
    for other in (replace(request, text="Double it."), replace(request, kind="line")):
        ids, *_ = model._asked(other)
        assert " ".join(map(str, said)) not in " ".join(map(str, ids.tolist()))


def test_confidence_survives_extreme_scores(either: RepairRuntime, tree: SourceTree) -> None:
    found = next(either.scored_edits([RepairRequest(tree, functions(tree), analyze(tree))]))[2][0]

    def confidence(**changes: float) -> float:
        return either.confidence(found._replace(scored=replace(found.scored, **changes)))

    assert confidence(bug_logit=-1e6) == pytest.approx(0.0)
    assert confidence(bug_logit=1e6) == pytest.approx(1.0)
    assert 0 <= confidence(p_edit=0.0) < confidence(p_edit=1e-3) < confidence(p_edit=1.0)


def _other_tokenizer(folder: Path) -> None:
    sizes = ModelConfig(**{**PRESETS["tiny"].to_dict(), "vocab_size": 4096})
    save_network(Network(sizes), folder)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_other_tokenizer, "do not belong together"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "not a tokenizer file"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "lacks tokenizer.json"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "cannot be read"),
    ],
)
def test_a_folder_whose_parts_do_not_fit_is_refused(
    folder: Path, tmp_path: Path, change: Callable[[Path], object], fault: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    change(broken)
    with pytest.raises(ModelError, match=fault):
        load_predictor(broken)


@pytest.mark.parametrize("line", ["if value:", "", "# a comment"], ids=["head", "empty", "comment"])
def test_the_head_of_a_block_is_asked_for_with_its_block(model: TorchPredictor, line: str) -> None:
    below = "\n        # why\n        two(value)\n    return one\n"
    source = f"def f(value):\n    one = 1\n    {line}{below}"
    tree, start = parse(source.encode()), source.index("one = 1\n") + 12
    request = GenerationRequest(
        "line", tree=tree, function=functions(tree)[0], start=start, end=start + len(line)
    )
    ids = piece_ids(model._asked(request).ids)
    text = model.tokenizer.decode(ids)
    assert text == "deff(value):\n    one=1\n    \n        two(value)\n    returnone"
    assert list(ids).count(model.specials.mask) == 1


def test_a_line_is_as_likely_alone_as_among_others(model: TorchPredictor) -> None:
    source = "def f(a):\n    b = a\n    return b\n"
    tree, start = parse(source.encode()), source.index("return b")
    request = GenerationRequest(
        "line", tree=tree, function=functions(tree)[0], start=start, end=start + len("return b")
    )
    texts = ["return b", "return a + 1", "pass"]
    together = model.likelihoods(request, texts)
    assert together == pytest.approx(
        [model.likelihoods(request, [one])[0] for one in texts], abs=1e-3
    )
    assert all(one < 0 for one in together)
