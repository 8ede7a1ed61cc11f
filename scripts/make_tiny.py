"""Make data/tiny: a few hundred functions of permissively licensed projects, as prepared shards.

    python scripts/make_tiny.py CORPUS TOKENIZER [--out data/tiny]

CORPUS is what `codemtl mine` wrote for the five projects named in data/README.md. All of them are
training projects, so the smallest one is held out here: train and validation share no project.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from codemtl.model.config import PRESETS
from codemtl.model.tokenizer import FILE_NAME, CodeTokenizer
from codemtl.scripting import argument_parser, script
from codemtl.training.prepare import prepare


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("tokenizer", type=Path, help="tokenizer.json, or the folder that holds it")
    parser.add_argument("--out", type=Path, default=Path("data/tiny"))
    options = parser.parse_args()
    for old in options.out.glob("*.safetensors*"):
        old.unlink()
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = options.tokenizer / FILE_NAME if options.tokenizer.is_dir() else options.tokenizer
    CodeTokenizer.load(tokenizer)
    shutil.copyfile(tokenizer, options.out / FILE_NAME)
    counts = prepare(options.corpus, options.out, options.out / FILE_NAME, PRESETS["tiny"], jobs=1)
    for path in sorted(options.out.iterdir()):
        print(f"{path.stat().st_size:9,} {path}")
    print(", ".join(f"{split}: {count} examples" for split, count in sorted(counts.items())))


if __name__ == "__main__":
    script(main)
