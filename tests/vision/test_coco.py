"""The user's own pictures: read as they are meant, and wrong ones named."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from codemtl.errors import CodemtlError, DataError
from codemtl.vision.coco import load_coco, split_of
from codemtl.vision.pictures import read_picture

Write = Callable[..., Path]


def test_pictures_are_fitted_and_split(tmp_path: Path, write_coco: Write) -> None:
    data = write_coco(tmp_path / "data")
    splits = {name: load_coco(data, name, 96, 3) for name in ("train", "validation", "test")}
    assert sum(len(one) for one in splits.values()) == len(load_coco(data, "all", 96, 3)) == 20
    one = splits["train"]
    assert one.names == ("red", "green")
    assert one.images.shape[1:] == (96, 96, 3)
    assert (one.images[:, 72:] == 0).all()  # 64x48 is scaled to 96x72
    for image, box, name in zip(one.images, one.boxes[:, 0], one.classes[:, 0], strict=True):
        x1, y1, x2, y2 = box.round().int().tolist()
        assert image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2, name].float().mean() > 240


def test_a_folder_for_each_split(tmp_path: Path, write_coco: Write) -> None:
    for number, split in enumerate(("train", "validation", "test"), 2):
        write_coco(tmp_path / split, pictures=number)
    assert len(load_coco(tmp_path, "test", 32, 1)) == 4
    assert load_coco(tmp_path, "train", 32, 1).images.shape == (2, 32, 32, 1)


def test_the_largest_box_gives_the_label(tmp_path: Path, write_coco: Write) -> None:
    def more(document: dict[str, Any]) -> None:
        document["annotations"].append({"image_id": 0, "bbox": [0, 0, 60, 40], "category_id": 8})
        del document["annotations"][1]  # picture 1 has none

    examples = load_coco(write_coco(tmp_path / "data", more), "all", 96, 3)
    assert examples.labels[0] == 1
    assert examples.classes[0].tolist() == [1, 0]
    assert examples.labels[1] == -1
    torch.testing.assert_close(examples.boxes[0, 0], torch.tensor([0.0, 0, 90, 60]))


def set_(*path: Any) -> Callable[[dict[str, Any]], None]:
    *keys, last, value = path

    def change(document: Any) -> None:
        for key in keys:
            document = document[key]
        document[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_("annotations", 3, "category_id", 99), r"annotations\[3\]: category_id 99 is not in"),
        (set_("annotations", 3, "image_id", 99), r"annotations\[3\]: image_id 99 is not in images"),
        (set_("annotations", 3, "bbox", [1, 2, 3]), r"bbox is \[1, 2, 3\]; it must be \[x, y"),
        (set_("annotations", 3, "bbox", [1, 2, 3, "4"]), "bbox is"),
        (set_("annotations", 3, "bbox", [1, 2, 3, 10**400]), "bbox is"),
        (set_("images", 1, "file_name", ""), "it must name a picture"),
        (set_("images", 1, "file_name", "a\0.png"), "it must name a picture"),
        (set_("annotations", 3, "bbox", [1, 2, 0, 4]), "03.png: box 0 .* has no area"),
        (set_("annotations", 3, "bbox", [50, 2, 20, 4]), "03.png: box 0 .* outside the picture"),
        (set_("annotations", 3, "bbox", [-9, 2, 20, 4]), "03.png: box 0 .* outside the picture"),
        (set_("annotations", 3, 7), r"annotations\[3\] is no object"),
        (set_("annotations", {}), "'annotations' is missing or no list"),
        (set_("categories", []), "it lists no categories"),
        (set_("categories", 1, "id", 7), "id 7 is there twice"),
        (set_("categories", 1, "name", None), r"categories\[1\]: name is None"),
        (set_("images", 1, "id", 0), "id 0 is there twice"),
        (set_("images", 1, "file_name", "../../x.png"), "leads out of"),
        (set_("images", 1, "file_name", "gone.png"), "gone.png: there is no such picture"),
        (lambda document: document.update(images=[], annotations=[]), "it lists no images"),
        (set_("images", 0, "file_name", "\ud800.png"), "file_name is .*half a character"),
        (set_("categories", 0, "name", "\udc80"), "name is .*half a character"),
    ],
)
def test_wrong_annotations_are_named(
    tmp_path: Path, write_coco: Write, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    data = write_coco(tmp_path / "data", change)
    with pytest.raises(DataError, match=message):
        load_coco(data, "all", 32, 3)


def test_a_missing_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: there is no such folder"):
        load_coco(tmp_path / "gone", "train", 32, 3)
    with pytest.raises(DataError, match=r"annotations.json: the annotations are missing"):
        load_coco(tmp_path, "train", 32, 3)  # an empty folder
    (tmp_path / "annotations.json").write_text("[")
    with pytest.raises(DataError, match="not valid JSON"):
        load_coco(tmp_path, "train", 32, 3)


@pytest.mark.parametrize("kind", ["cut", "text", "empty"])
def test_a_corrupt_picture_is_named(tmp_path: Path, write_coco: Write, kind: str) -> None:
    data = write_coco(tmp_path / "data")
    path = data / "images" / "05.png"
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "text": b"hello", "empty": b""}[kind])
    with pytest.raises(DataError, match=r"05\.png: "):
        load_coco(data, "all", 32, 3)


def test_a_link_to_itself_is_named(tmp_path: Path, write_coco: Write) -> None:
    data = write_coco(tmp_path / "data")
    (data / "images" / "05.png").unlink()
    (data / "images" / "05.png").symlink_to("05.png")
    with pytest.raises(DataError, match=r"05\.png: "):
        load_coco(data, "all", 32, 3)


def test_too_few_pictures_for_a_split(tmp_path: Path, write_coco: Write) -> None:
    data = write_coco(tmp_path / "data", pictures=1)
    missing = next(one for one in ("validation", "test") if one != split_of("00.png"))
    with pytest.raises(DataError, match=f"no picture falls into the {missing} split"):
        load_coco(data, missing, 32, 3)


def test_an_unreadable_split_is_refused(tmp_path: Path, write_coco: Write) -> None:
    with pytest.raises(CodemtlError, match="split is 'dev'"):
        load_coco(write_coco(tmp_path / "data"), "dev", 32, 3)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_pictures_of_every_mode_are_read(tmp_path: Path, write_coco: Write, mode: str) -> None:
    data = write_coco(tmp_path / "data", pictures=2)
    Image.new("L", (64, 48), 200).convert(mode).save(data / "images" / "00.png")
    assert load_coco(data, "all", 96, 3).images[0, 10, 10].tolist() == [200, 200, 200]


def test_pictures_of_16_bits_keep_their_greys(tmp_path: Path) -> None:
    for name in ("a.png", "a.tiff"):
        greys = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
        Image.fromarray(greys).save(tmp_path / name)
        assert np.asarray(read_picture(tmp_path / name)).tolist() == [[0, 1, 128, 255]]
    for kind in (np.int32, np.float32):
        Image.fromarray(np.ones((2, 2), kind)).save(tmp_path / "b.tiff")
        with pytest.raises(DataError, match=r"b\.tiff: its pixels have 32 bits"):
            read_picture(tmp_path / "b.tiff")


@pytest.mark.parametrize("pixels", [10, 30, 60])
def test_too_large_a_picture_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # Pillow warns above, and refuses twice that
    monkeypatch.setattr("codemtl.vision.pictures.MOST_PIXELS", 15)
    path = tmp_path / "a.png"
    Image.new("L", (pixels, 1)).save(path)
    if pixels == 10:
        assert read_picture(path).size == (10, 1)
        return
    with warnings.catch_warnings(), pytest.raises(DataError, match=r"a\.png: .*too many; scale it"):
        warnings.simplefilter("error")
        read_picture(path)
