"""The torch runtime: a model folder in memory behind the Predictor interface."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from codemtl.errors import ModelError
from codemtl.inference.evidence import contradicted, evidence
from codemtl.inference.parallels import Parallels
from codemtl.inference.predictor import (
    TOP_EDITS,
    Calibration,
    RepairRequest,
    WeighedEdit,
)
from codemtl.inference.torch_texts import TextRuntime, by_length
from codemtl.model.checkpoints import load_network
from codemtl.model.int8 import has_int8, use_int8
from codemtl.model.network import Network
from codemtl.model.respelling import Respelling
from codemtl.model.tokenizer import CodeTokenizer
from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.definitions import Definition
from codemtl.syntax.findings import Finding
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import SourceTree
from codemtl.tasks.corruption import RepairInput, as_input
from codemtl.tasks.repair import collate, decode


def load(folder: Path, threads: int | None = None) -> TorchPredictor:
    """Load a model folder. Raises ModelError."""
    if threads:
        torch.set_num_threads(threads)
    network, values = load_network(folder)
    tokenizer = CodeTokenizer.load(folder)
    if tokenizer.vocab_size != network.config.vocab_size:
        raise ModelError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} pieces, the model "
            f"{network.config.vocab_size}; they do not belong together"
        )
    trunk = network.config.trunk
    respelling = None if trunk is None else Respelling.load(folder, tokenizer, trunk)
    predictor = TorchPredictor(network, tokenizer, values, respelling)
    if has_int8():
        use_int8(network)
        predictor.device += ", int8"
    return predictor


class _Item(NamedTuple):
    """One window of a function, and whose it is."""

    request: int
    function: int
    definition: Definition
    scopes: Scopes
    input: RepairInput


class _Seen(NamedTuple):
    """What the network says of a window: S sites, A actions, K names."""

    bug_logit: float
    site_probabilities: NDArray[np.float32]  # [S]
    action_probabilities: NDArray[np.float32]  # [S, A]
    name_probabilities: NDArray[np.float32]  # [S, K]


class TorchPredictor(TextRuntime):
    """See ``inference.predictor.Predictor``."""

    def __init__(
        self,
        network: Network,
        tokenizer: CodeTokenizer,
        values: dict[str, Any],
        respelling: Respelling | None = None,
    ) -> None:
        """``respelling`` of a network whose encoder is a trunk."""
        super().__init__(network, tokenizer, respelling)
        self.device = "cpu"
        self.memory: OrderedDict[bytes, _Seen] = OrderedDict()  # what came last stands last
        self.most_remembered = 0
        self.name = str(values.get("name", "codemtl"))
        self.revision = str(values.get("sha256", "unknown"))[:12]
        known = {item.name for item in fields(Calibration)}
        stored = values.get("calibration", {})
        self.calibration = Calibration(**{k: float(v) for k, v in stored.items() if k in known})

    def remember(self, windows: int) -> None:
        """See ``inference.predictor.Predictor``."""
        self.most_remembered = windows

    # --- repair

    def repair(
        self,
        tree: SourceTree,
        functions: Sequence[Definition],
        scopes: Scopes,
        limit: int = TOP_EDITS,
    ) -> list[list[Finding]]:
        """Findings of each function, best first, with calibrated confidences, unverified."""
        found: list[list[Finding]] = [[] for _ in functions]
        for _, owner, scored in self.scored_edits([RepairRequest(tree, functions, scopes)], limit):
            for one in scored:
                found[owner].append(self._finding(tree, functions[owner], one))
        for findings in found:
            findings.sort(key=lambda finding: -finding.confidence)
        return found

    def scored_edits(
        self, requests: Sequence[RepairRequest], limit: int = TOP_EDITS
    ) -> Iterator[tuple[int, int, list[WeighedEdit]]]:
        """(request, index of the function, its most probable edits) for each window of each."""
        items: list[_Item] = []
        for number, (tree, functions, scopes) in enumerate(requests):
            for index, function in enumerate(functions):
                sites = enumerate_sites(tree, function.node, scopes)
                for part in self._windows(tree, function, sites):
                    if part.sites:
                        items.append(_Item(number, index, function, scopes, as_input(part)))
        for batch in by_length(items, [len(item.input.pieces) for item in items]):
            yield from self._score(batch, limit)

    def _score(
        self, items: Sequence[_Item], limit: int
    ) -> Iterator[tuple[int, int, list[WeighedEdit]]]:
        for one, seen in zip(items, self._seen(items), strict=True):
            tree = one.scopes.tree
            undefined = {name.start for name in one.scopes.undefined_names}
            scored = decode(tree, one.input, *seen, limit, undefined)
            parallels = Parallels(tree, one.definition, self.tokenizer, self.layout)
            yield (
                one.request,
                one.function,
                [
                    WeighedEdit(edit, evidence(one.scopes, edit.site, edit.edit, parallels))
                    for edit in scored
                    if not contradicted(one.scopes, edit.site, edit.edit.replacement)
                ],
            )

    def _seen(self, items: Sequence[_Item]) -> list[_Seen]:
        """What the network says of each window; of what it remembers it is not asked."""
        if not self.most_remembered:
            return self._ask([one.input for one in items])
        keys = [self._key(one.input) for one in items]
        new = {key: one.input for key, one in zip(keys, items, strict=True)}
        for key in self.memory.keys() & new.keys():
            self.memory.move_to_end(key)
            del new[key]
        self.memory.update(zip(new, self._ask([*new.values()]) if new else (), strict=True))
        found = [self.memory[key] for key in keys]
        while len(self.memory) > self.most_remembered:
            self.memory.popitem(last=False)
        return found

    def _key(self, one: RepairInput) -> bytes:
        """Of all that the network sees of a window."""
        digest = hashlib.blake2b(digest_size=16)
        for name, array in sorted(collate([one], self.specials, dense=False).arrays.items()):
            digest.update(f"{name}{array.shape}".encode() + array.tobytes())
        return digest.digest()

    @torch.no_grad()
    def _ask(self, inputs: Sequence[RepairInput]) -> list[_Seen]:
        batch = collate(inputs, self.specials, dense=False)
        scores = self.network.repair_scores(self._tensors(batch.arrays))
        sites = scores.site_BS.softmax(-1).numpy()
        actions, names = scores.action_BSA.softmax(-1).numpy(), scores.name_BSK.softmax(-1).numpy()
        actions = actions * batch.arrays["action_mask"]
        names = names * batch.arrays["name_mask"]
        found = []
        for row, (one, bug) in enumerate(zip(inputs, scores.bug_B.tolist(), strict=True)):
            count, known = len(one.start), max(1, len(one.example.names))
            found.append(_Seen(
                bug, sites[row, :count].copy(), actions[row, :count].copy(),
                names[row, :count, :known].copy(),
            ))  # fmt: skip
        return found

    def _finding(self, tree: SourceTree, function: Definition, found: WeighedEdit) -> Finding:
        one = found.scored
        original = tree.data[one.edit.start : one.edit.end].decode("utf-8", "replace")
        return Finding(
            function=function.qualname,
            kind=one.kind,
            start=one.edit.start,
            end=one.edit.end,
            original=original,
            replacement=one.edit.replacement,
            confidence=self.confidence(found),
            message=_message(original, one.edit.replacement),
        )

    def confidence(self, one: WeighedEdit) -> float:
        """The probability that it repairs a bug, calibrated for the deployment prior.

        What nothing defines is a bug, whatever the model says of the function.
        """
        scored = one.scored
        if scored.kind == UNDEFINED:
            return self.calibration.undefined_name_guessed
        return self.calibration.confidence(
            scored.bug_logit, scored.p_site, scored.p_edit, one.evidence
        )


def _message(original: str, replacement: str) -> str:
    if not original.strip():
        return f"{replacement.strip()!r} seems to be missing here"
    if not replacement.strip():
        return f"{original.strip()!r} seems to be too much here"
    return f"{original!r} looks wrong here; {replacement!r} fits better"
