"""One rank of the two-process test: every weighting for some steps on its half of the data.

Run by `test_distributed` with the environment that ``accelerate launch`` sets; writes the digest
and the parameters of the network after each weighting. One process takes both ranks' micro-batches
in one window, the same global batch.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from codemtl.model.config import ModelConfig
from codemtl.model.network import Network
from codemtl.model.tokenizer import CodeTokenizer, piece_layout
from codemtl.tasks.batches import SpecialIds
from codemtl.training.config import TrainingConfig, load_config
from codemtl.training.loop import MicroBatch, Trainer
from codemtl.training.mixture import MicroBatches
from codemtl.training.probes import SIZE, Probes
from codemtl.training.shards import Shards
from codemtl.training.weighting import METHODS, make_weighting

STEPS, WINDOW, RANKS = 12, 3, 2
SETTINGS = {"dwa": ["weighting.period=4"], "coba": ["weighting.every=3", "weighting.warmup=2"]}
SMALL = ModelConfig(width=16, layers=1, heads=2, hidden=16, decoder_layers=1)


def configured(name: str) -> TrainingConfig:
    changes = [
        f"steps={STEPS}", f"accumulation={WINDOW}", "micro_tokens=256", "warmup=2",
        f"weighting.name={name}", *SETTINGS.get(name, []),
    ]  # fmt: skip
    return load_config(preset="tiny", overrides=changes)


def train(name: str, data: Path, accelerator: Accelerator) -> Network:
    config = configured(name)
    torch.manual_seed(accelerator.process_index)  # ranks that begin apart are made equal
    if accelerator.num_processes == 1:
        torch.manual_seed(0)
    ranks = [accelerator.process_index] if accelerator.num_processes == RANKS else range(RANKS)
    tokenizer = CodeTokenizer.load(data)
    specials, layout = SpecialIds(*range(7)), piece_layout(tokenizer)
    parts = [
        MicroBatches(
            Shards(data, "train"), specials, layout, config,
            micro_batches=STEPS * WINDOW, rank=rank, world=RANKS,
        )
        for rank in ranks
    ]  # fmt: skip
    held_out = MicroBatches(
        Shards(data, "validation"), specials, layout, config, micro_batches=1, shrink=SIZE
    )
    network = Network(SMALL)
    weighting = make_weighting(config.weighting, list(parts[0].plans), config.seed)
    probes = Probes(config, held_out, accelerator)
    trainer = Trainer(config, network, weighting, accelerator, probes)
    for step in range(STEPS):
        numbers = range(step * WINDOW, (step + 1) * WINDOW)
        window: list[MicroBatch] = [part[number] for number in numbers for part in parts]
        trainer.train_step(window)
    return network


def main() -> None:
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    for name in sys.argv[3:] or METHODS:
        state = train(name, data, accelerator).state_dict()
        digest = hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values()))
        stem = f"{name}-{accelerator.process_index}of{accelerator.num_processes}"
        (out / f"{stem}.sha256").write_text(digest.hexdigest())
        save_file(state, out / f"{stem}.safetensors")
    accelerator.end_training()


if __name__ == "__main__":
    main()
