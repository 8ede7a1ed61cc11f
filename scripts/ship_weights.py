"""Put a trained model into the package: weights in int8, configuration, tokenizer.

    python scripts/ship_weights.py --model RUN --name codemtl-small [--out codemtl/weights]

Where repair has learned, run ``scripts/calibrate.py --model codemtl/weights`` afterwards: until
then the confidences are those of the weights that the run began with. Write down in the model card
(``README.md`` beside the weights) what was measured.
"""

from __future__ import annotations

import json
from pathlib import Path

from codemtl.inference import SHIPPED_MODEL
from codemtl.model.atomic import write_atomic
from codemtl.model.checkpoints import load_network, save_network
from codemtl.model.folder import WEIGHTS
from codemtl.model.tokenizer import FILE_NAME
from codemtl.scripting import argument_parser, script
from codemtl.training.initial import inherited


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="what `codemtl train` wrote")
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, default=SHIPPED_MODEL)
    options = parser.parse_args()
    network, _ = load_network(options.model)
    metrics = json.loads((options.model / "metrics.json").read_text("utf-8"))
    kept = {**inherited(options.model), "name": options.name, "step": metrics["step"]}
    digest = save_network(network, options.out, quantize=True, **kept)
    write_atomic(options.out / FILE_NAME, (options.model / FILE_NAME).read_bytes())
    size = (options.out / WEIGHTS).stat().st_size / 1e6
    parameters = sum(parameter.numel() for parameter in network.parameters())
    encoder = sum(parameter.numel() for parameter in network.encoder.stack.layers.parameters())
    print(f"{options.out}: {options.name} {digest[:12]}, step {metrics['step']}, {size:.1f} MB")
    print(f"parameters: {parameters:,}, of these in the encoder's layers: {encoder:,}")


if __name__ == "__main__":
    script(main)
