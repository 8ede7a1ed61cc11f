"""From the folder that a user names by --data to a folder of shards.

A folder of shards is taken as it is. A mined corpus is prepared first, into ``shards/`` below it,
once: ``prepared.json`` is written last and says from what the shards were made.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from codemtl import __version__
from codemtl.errors import DataError
from codemtl.inference import SHIPPED_MODEL
from codemtl.model.atomic import write_atomic
from codemtl.model.config import ModelConfig
from codemtl.model.tokenizer import FILE_NAME, CodeTokenizer
from codemtl.training.shards import FORMAT, SUFFIX

FOLDER, MARK, COMPLETE = "shards", "prepared.json", "complete"
SUMMARY = "summary.json"  # of a corpus, written last
Progress = Callable[[int, int], None]


def shards_folder(
    data: Path,
    config: ModelConfig,
    progress: Progress | None = None,
    tokenizer: Path | None = None,
) -> Path:
    """The folder of shards to train from. Raises DataError if there is nothing to train from.

    ``tokenizer`` is the folder whose tokenizer a corpus is prepared with: the shipped model's.
    """
    if any(data.glob(f"*{SUFFIX}")):
        if not (data / FILE_NAME).is_file():
            raise DataError(f"{data} holds shards but no {FILE_NAME}; they belong together")
        return data
    if not (data / "functions").is_dir():
        raise DataError(
            f"{data} holds neither shards nor a corpus; name the folder that `codemtl mine` wrote, "
            "or a prepared one such as data/tiny in the repository"
        )
    if not (data / SUMMARY).is_file():
        raise DataError(
            f"{data} has no {SUMMARY}: `codemtl mine` was stopped before its corpus was whole; "
            "give the same command again to mine it"
        )
    folder, tokenizer = data / FOLDER, tokenizer or SHIPPED_MODEL
    wanted = _source(data, config, tokenizer)
    if _read_mark(folder) == {**wanted, COMPLETE: True}:
        return folder
    if _read_mark(folder) != {**wanted, COMPLETE: False}:  # made of something else
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _write_mark(folder, {**wanted, COMPLETE: False})
    if not (folder / FILE_NAME).is_file():
        _tokenizer(data, config, tokenizer).save(folder)
    from codemtl.training.prepare import prepare  # needs tree-sitter and datasets; shards do not

    prepare(data, folder, folder / FILE_NAME, config, progress=progress)
    _write_mark(folder, {**wanted, COMPLETE: True})
    return folder


def _source(data: Path, config: ModelConfig, tokenizer: Path) -> dict[str, Any]:
    """What decides the content of the shards."""
    summary, pieces = data / SUMMARY, tokenizer / FILE_NAME
    return {
        "codemtl": __version__, "corpus": _digest(summary), "tokenizer": _digest(pieces),
        "format": FORMAT, "context_limit": config.context_limit, "window": config.window,
    }  # fmt: skip


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _read_mark(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _write_mark(folder: Path, values: dict[str, Any]) -> None:
    write_atomic(folder / MARK, (json.dumps(values, indent=2) + "\n").encode())


def _tokenizer(data: Path, config: ModelConfig, folder: Path) -> CodeTokenizer:
    """The folder's tokenizer, or one learned from the corpus' training functions."""
    if (folder / FILE_NAME).is_file():
        return CodeTokenizer.load(folder)
    return CodeTokenizer.train(_texts(data), config.vocab_size)


def _texts(data: Path) -> Iterator[str]:
    from datasets import load_from_disk

    table = load_from_disk(str(data / "functions")).select_columns(["source", "split"])
    for row in table:
        if row["split"] == "train":
            yield row["source"]


def fingerprint(data: Path) -> str:
    """Of shards, by their names and sizes, and of their tokenizer."""
    digest = hashlib.sha256((data / FILE_NAME).read_bytes())
    for path in sorted(data.glob(f"*{SUFFIX}")):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]
