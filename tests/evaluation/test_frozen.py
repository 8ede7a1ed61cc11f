"""Frozen lists: made the same again, refused when changed, and found in the text they mean."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from codemtl.errors import DataError
from codemtl.evaluation.cases import hidden, repair_cases, text_cases
from codemtl.evaluation.corpus import Corpus
from codemtl.evaluation.frozen import (
    SUMS,
    CleanFile,
    FixPointer,
    MadeBug,
    freeze_list,
    list_name,
    read_list,
    write_list,
)
from codemtl.evaluation.judging import REWRITE
from codemtl.evaluation.sampling import SAMPLERS, Sizes, fix_rows

SMALL = Sizes(clean=20, made=5, uniform=5, texts=5)


@pytest.mark.parametrize("suite", ["real-bugs", "synthetic", "synthetic-uniform", "summaries"])
def test_the_seed_decides(samples: Corpus, suite: str, tmp_path: Path) -> None:
    again = Corpus(samples.folder, samples.split)
    one, same, other = (
        freeze_list("x", SAMPLERS[suite](corpus, SMALL, seed))
        for corpus, seed in ((samples, 0), (again, 0), (samples, 1))
    )
    assert one.sha256 == same.sha256 != other.sha256
    written = write_list(tmp_path, "x", one.pointers)
    assert read_list(tmp_path, "x") == written
    assert written.sha256 == one.sha256


def test_lists_hold_no_source(samples: Corpus) -> None:
    for suite in SAMPLERS:
        text = (samples.folder / list_name(suite, "validation")).read_text()
        assert "def " not in text and "\\n" not in text


def test_clean_functions_are_apart_from_bugs(samples: Corpus) -> None:
    found = list(SAMPLERS["synthetic"](samples, SMALL, 0))
    bugs = {(one.project, one.path) for one in found if isinstance(one, MadeBug)}
    clean = {(one.project, one.path) for one in found if isinstance(one, CleanFile)}
    assert bugs and clean and not bugs & clean
    found = list(SAMPLERS["real-bugs"](samples, SMALL, 0))
    fixed = {one.project for one in found if isinstance(one, FixPointer)}
    assert {one.project for one in found if isinstance(one, CleanFile)} <= fixed
    assert sum(len(one.starts) for one in found if isinstance(one, CleanFile)) == SMALL.clean


def test_a_changed_list_is_refused(samples: Corpus, tmp_path: Path) -> None:
    name = list_name("summaries", "validation")
    for file in (name, SUMS):
        shutil.copy(samples.folder / file, tmp_path)
    assert read_list(tmp_path, name).pointers
    (tmp_path / name).write_text((tmp_path / name).read_text().replace("gunicorn", "unicorn"))
    with pytest.raises(DataError, match="is not what was frozen"):
        read_list(tmp_path, name)
    (tmp_path / SUMS).unlink()
    with pytest.raises(DataError, match="is not listed"):
        read_list(tmp_path, name)
    with pytest.raises(DataError, match="there is no frozen list"):
        read_list(tmp_path, "other.jsonl")


def test_text_that_is_not_what_was_frozen_is_counted(samples: Corpus, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(samples.folder, copy)
    for name, old, new in (
        ("files", "import", "import  "), ("fixes", "self", "selfish"),
    ):  # fmt: skip
        file = copy / f"{name}.jsonl"
        lines = file.read_text().splitlines(keepends=True)
        lines[0] = lines[0].replace(old, new)
        del lines[1]
        file.write_text("".join(lines))
    changed = Corpus(copy, "validation")
    frozen = read_list(samples.folder, list_name("real-bugs", "validation"))
    whole, part = (repair_cases(corpus, frozen) for corpus in (samples, changed))
    assert whole.unresolved == 0 and part.unresolved >= 2
    assert len(part.bugs) + len(part.clean) + part.unresolved == len(frozen.pointers)
    (copy / "files.jsonl").write_text("")
    with pytest.raises(DataError, match="is not in"):
        text_cases(
            Corpus(copy, "validation"),
            read_list(samples.folder, list_name("summaries", "validation")),
        )


def test_the_fixed_file_has_the_fix(samples: Corpus) -> None:
    frozen = read_list(samples.folder, list_name("real-bugs", "validation"))
    for case in repair_cases(samples, frozen).bugs:
        assert case.truth is not None
        assert case.fixed != case.data
        assert case.truth.after.encode() in case.fixed
        assert case.truth.spans


def test_the_bugs_of_one_edit_are_a_part_of_the_list(samples: Corpus) -> None:
    frozen = read_list(samples.folder, list_name("real-bugs", "validation"))
    whole = repair_cases(samples, frozen)
    part = repair_cases(samples, frozen, one_edit=True)
    assert part.clean == whole.clean
    single = [one for one in whole.bugs if one.truth and one.truth.kind != REWRITE]
    assert part.bugs == single and 0 < len(single) < len(whole.bugs)


def test_no_predictor_can_see_a_masked_line(samples: Corpus) -> None:
    frozen = read_list(samples.folder, list_name("masked-lines", "validation"))
    for case in text_cases(samples, frozen).cases:
        assert case.mask is not None
        assert case.reference.encode() == case.data[slice(*case.mask)]
        assert hidden(case.data, case.mask) in (b"pass", b"if True:")


def test_fixes_to_learn_from_are_not_judged_by(samples: Corpus, tmp_path: Path) -> None:
    shutil.copytree(samples.folder, tmp_path / "mine")
    path = tmp_path / "mine" / "fixes.jsonl"
    first, *rest = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = [first | {"silent": True}, rest[0] | {"partial": True}, *rest[1:]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    mine = Corpus(tmp_path / "mine", samples.split)
    assert len(fix_rows(mine)) == len(fix_rows(samples)) - 2


def test_an_arrow_corpus_is_read_as_the_samples_are(samples: Corpus, tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    for name in ("files", "functions", "fixes", "masked_lines"):
        rows = [samples.table(name).row(index) for index in range(len(samples.table(name)))]
        datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / name))
    arrow = Corpus(tmp_path, "validation")
    frozen = read_list(samples.folder, list_name("real-bugs", "validation"))
    assert repair_cases(arrow, frozen) == repair_cases(samples, frozen)
    one, other = (
        freeze_list("x", SAMPLERS["real-bugs"](corpus, SMALL, 0)) for corpus in (arrow, samples)
    )
    assert one == other
