"""What every runtime does around its network to find bugs: windows in, weighed edits out."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codemtl.inference.evidence import contradicted, evidence
from codemtl.inference.parallels import Parallels
from codemtl.inference.predictor import TOP_EDITS, Calibration, RepairRequest, WeighedEdit
from codemtl.inference.reading import by_length, read
from codemtl.model.config import ModelConfig
from codemtl.model.tokenizer import CodeTokenizer, piece_layout, special_ids
from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.definitions import Definition
from codemtl.syntax.findings import Finding
from codemtl.syntax.scopes import Scopes
from codemtl.syntax.sites import enumerate_sites
from codemtl.syntax.tree import SourceTree
from codemtl.tasks.batches import Arrays
from codemtl.tasks.corruption import RepairInput, as_input
from codemtl.tasks.repair import collate, decode


class _Item(NamedTuple):
    """One window of a function, and whose it is."""

    request: int
    function: int
    definition: Definition
    scopes: Scopes
    input: RepairInput


class Seen(NamedTuple):
    """What the network says of a window: S sites, A actions, K names."""

    bug_logit: float
    site_probabilities: NDArray[np.float32]  # [S]
    action_probabilities: NDArray[np.float32]  # [S, A]
    name_probabilities: NDArray[np.float32]  # [S, K]


class RepairRuntime(ABC):
    """The repair of ``inference.predictor.Predictor``, but for the network itself."""

    device = "cpu"

    def __init__(
        self, config: ModelConfig, tokenizer: CodeTokenizer, values: dict[str, Any]
    ) -> None:
        """``values`` are those of config.json."""
        self.config, self.tokenizer = config, tokenizer
        self.specials, self.layout = special_ids(tokenizer), piece_layout(tokenizer)
        self.memory: OrderedDict[bytes, Seen] = OrderedDict()  # what came last stands last
        self.most_remembered = 0
        self.name = str(values.get("name", "codemtl"))
        self.revision = str(values.get("sha256", "unknown"))[:12]
        known = {item.name for item in fields(Calibration)}
        stored = values.get("calibration", {})
        self.calibration = Calibration(**{k: float(v) for k, v in stored.items() if k in known})

    @abstractmethod
    def chances(self, arrays: Arrays) -> tuple[NDArray[np.float32], ...]:
        """The log-odds of a bug [B], and the probabilities of what is permitted.

        Of sites [B, S], and of actions [B, S, A] and names [B, S, K] there, for inputs as
        `tasks.repair.collate` makes them.
        """

    def remember(self, windows: int) -> None:
        """See ``inference.predictor.Predictor``."""
        self.most_remembered = windows

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
                for part in read(tree, function, sites, self.tokenizer, self.layout, self.config):
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

    def _seen(self, items: Sequence[_Item]) -> list[Seen]:
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

    def _ask(self, inputs: Sequence[RepairInput]) -> list[Seen]:
        batch = collate(inputs, self.specials, dense=False)
        found = []
        for one, bug, site, action, name in zip(inputs, *self.chances(batch.arrays), strict=True):
            count, known = len(one.start), max(1, len(one.example.names))
            seen = site[:count], action[:count], name[:count, :known]
            found.append(Seen(float(bug), *(part.copy() for part in seen)))
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

        Of a name that nothing defines, which is a bug whatever the model says of the function, the
        probability of the replacement.
        """
        scored = one.scored
        if scored.kind == UNDEFINED:
            return scored.p_edit
        return self.calibration.confidence(
            scored.bug_logit, scored.p_site, scored.p_edit, one.evidence
        )


def _message(original: str, replacement: str) -> str:
    if not original.strip():
        return f"{replacement.strip()!r} seems to be missing here"
    if not replacement.strip():
        return f"{original.strip()!r} seems to be too much here"
    return f"{original!r} looks wrong here; {replacement!r} fits better"
