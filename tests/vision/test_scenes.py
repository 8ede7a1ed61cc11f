"""The scenes are what their specification says, on every machine."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from codemtl.errors import DataError
from codemtl.vision.data import scene_examples
from codemtl.vision.processes import processes
from codemtl.vision.scenes import CANVAS, SPLITS, Scenes, Split, digit_numbers, make_scenes

# SHA-256 of pixels, boxes and classes: the first 2,000 test scenes, the first 200 of the others.
CHECKSUMS: dict[Split, tuple[int, str]] = {
    "train": (200, "91d8df7c31c1869b640ecf9161b44a0df46dc94d6b1c053f1ad4248d4ce3d660"),
    "validation": (200, "ec5daf652d704b53fa56189bd94968e096c736c9ebb5effdf93910a005e6fed4"),
    "test": (2000, "a6b436b8b299cfa7c7b7620f6ce361d9abcedd12164a8947582a0253ae6621de"),
}


@pytest.mark.parametrize("split", SPLITS)
def test_the_scenes_are_frozen(split: Split) -> None:
    count, expected = CHECKSUMS[split]
    scenes = make_scenes(split, count)
    digest = hashlib.sha256(scenes.images.tobytes())
    digest.update(scenes.boxes.astype("<i8").tobytes())
    digest.update(scenes.classes.astype("<i8").tobytes())
    assert digest.hexdigest() == expected


def test_no_digit_is_in_two_splits() -> None:
    numbers = np.concatenate([digit_numbers(split) for split in SPLITS])
    assert sorted(numbers.tolist()) == list(range(1797))


def test_every_class_is_in_every_split() -> None:
    for split in SPLITS:
        assert set(make_scenes(split, 200).classes.ravel().tolist()) == {-1, *range(10)}


def test_a_scene_depends_on_nothing_but_its_number() -> None:
    many, one = make_scenes("train", 5), make_scenes("train", 1, first=3)
    assert np.array_equal(many.images[3], one.images[0])
    assert np.array_equal(many.boxes[3], one.boxes[0])


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return make_scenes("validation", 300)


def test_boxes_are_as_specified(scenes: Scenes) -> None:
    counts = set()
    for boxes, classes in zip(scenes.boxes, scenes.classes, strict=True):
        there = classes >= 0
        counts.add(int(there.sum()))
        assert (boxes[~there] == 0).all()
        present = boxes[there]
        assert present.min() >= 0
        assert present.max() <= CANVAS
        sizes = (present[:, 2:] - present[:, :2]).max(1)
        assert (np.sort(sizes)[::-1] == sizes).all()
        assert sizes.min() >= 14
        assert sizes.max() <= 40
        assert len(sizes) == 1 or sizes[0] * 5 >= sizes[1] * 6
        for i in range(len(present)):
            for j in range(i):
                iou, covered = overlap(present[i], present[j])
                assert iou <= 0.3
                assert covered <= 0.5
    assert counts == {1, 2, 3, 4, 5}


def overlap(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """IoU, and the covered share of the smaller box."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    both = width * height
    return float(both / (sum(areas) - both)), float(both / min(areas))


def test_a_digit_is_brighter_than_what_surrounds_it(scenes: Scenes) -> None:
    for image, boxes in zip(scenes.images, scenes.boxes, strict=True):
        x1, y1, x2, y2 = boxes[0]
        assert image[y1:y2, x1:x2].mean() > np.median(image) + 20


def test_the_label_is_the_class_of_the_largest() -> None:
    examples = scene_examples("validation", 50)
    sides = (examples.boxes[..., 2:] - examples.boxes[..., :2]).amax(-1)
    assert (sides.argmax(1) == 0).all()
    assert (examples.labels == examples.classes[:, 0]).all()


def test_an_interrupt_at_their_start_leaves_processes_silent(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with processes() as pool:
        answer = pool.submit(os.getpid)
        (worker,) = pool._processes.values()
        os.kill(worker.pid, signal.SIGINT)  # a group of processes is sent it at once
        assert answer.result() == worker.pid
    assert capfd.readouterr().err == ""


def test_a_process_that_is_killed_is_told_of() -> None:
    with pytest.raises(DataError, match="was killed"), processes() as pool:
        pool.submit(signal.raise_signal, signal.SIGKILL).result()


def test_processes_of_a_killed_command_end(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import time\nfrom codemtl.vision.processes import processes\n"
        "if __name__ == '__main__':\n    with processes() as pool:\n"
        "        pool.submit(print, 'begun', flush=True).result()\n        time.sleep(60)\n"
    )
    command = [sys.executable, str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
