"""How fast one core makes micro-batches from prepared shards, corruption included.

    python scripts/bench_data.py --preset small --data DATA [--batches 200]

One process, one thread, as a worker of the data loader has it; tokens are words of the encoder's
input and pieces of decoder targets, without padding.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from codemtl.model.tokenizer import CodeTokenizer, piece_layout, special_ids
from codemtl.scripting import argument_parser, print_command, script
from codemtl.training.config import load_config
from codemtl.training.mixture import MicroBatches
from codemtl.training.shards import Shards


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--data", type=Path, required=True, help="a folder of prepared shards")
    parser.add_argument("--batches", type=int, default=200)
    options = parser.parse_args()
    stages = "tasks.repair.stages={dense=0.5, single=0.5}"
    config = load_config(None, options.preset, [stages])
    tokenizer = CodeTokenizer.load(options.data)
    data = MicroBatches(
        Shards(options.data, "train", config.model.siblings), special_ids(tokenizer),
        piece_layout(tokenizer), config, micro_batches=options.batches,
    )  # fmt: skip
    data[0]  # the first plan sorts an epoch
    tokens: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for number in range(1, len(data)):
        start = time.process_time()
        micro = data[number]
        key = micro["task"] + (" (dense)" if micro["task"] == "repair" and micro["dense"] else "")
        seconds[key] += time.process_time() - start  # type: ignore[assignment]
        tokens[key] += micro["tokens"]
    print_command()
    for key in sorted(tokens):
        print(f"{key}: {tokens[key] / seconds[key]:,.0f} tokens/s")
    rate = tokens.total() / sum(seconds.values())
    print(f"mixture: {rate:,.0f} tokens/s a core, {16 * rate:,.0f} from 16 such cores")


if __name__ == "__main__":
    script(main)
