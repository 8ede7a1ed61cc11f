"""Prediction on the user's own pictures: labels, boxes, and a drawing of each."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageChops

from codemtl.errors import DataError
from codemtl.vision.drawing import Box, draw_boxes, sheet
from codemtl.vision.model import Predictions
from codemtl.vision.pictures import encode_png, fit, read_picture
from codemtl.vision.predict import boxes_of, predict


def test_each_picture_gets_a_drawing_and_one_bad_file_stops_none(
    trained: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    bad, wide = tmp_path / "bad.png", tmp_path / "wide.jpg"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    Image.new("RGB", (300, 100), "white").save(wide)
    same = tmp_path / "again" / "wide.png"
    same.parent.mkdir()
    Image.new("L", (8, 200)).save(same)
    out = tmp_path / "out"
    ended = run("vision", "predict", trained / "example.png", bad, wide, same, tmp_path / "gone",
                "--model", trained, "--out", out, "--format", "json",
                "--set", "threshold=0")  # fmt: skip
    assert ended.code == 2
    document = json.loads(ended.out)
    assert document["version"] == 1
    rows = document["images"]
    assert [row["status"] for row in rows] == ["ok", "error", "ok", "ok", "error"]
    assert "bad.png: " in rows[1]["message"]
    assert "there is no such picture" in rows[4]["message"]
    names = ["example.predicted.png", "wide.predicted.png", "wide.2.predicted.png"]
    assert [row["drawn"] for row in rows if row["drawn"]] == [str(out / name) for name in names]
    assert sorted(one.name for one in out.iterdir()) == sorted(names)
    assert rows[0]["label"] in "0123456789"
    assert len(rows[0]["boxes"]) == 5
    for row, (width, height) in ((rows[2], (300, 100)), (rows[3], (8, 200))):
        for one in row["boxes"]:
            x, y, w, h = one["box"]
            assert min(x, y, w, h) >= 0
            assert x + w <= width + 0.02
            assert y + h <= height + 0.02


def test_no_drawing_replaces_a_picture_that_is_to_be_read(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["a.png", "a.predicted.png", "link.png"]
    for name in names[:2]:
        Image.new("L", (8, 8)).save(name)
    (tmp_path / "link.png").symlink_to("a.2.predicted.png")
    Image.new("L", (9, 9)).save("a.2.predicted.png")
    before = {name: Path(name).read_bytes() for name in (*names, "a.2.predicted.png")}
    drawn = [one.drawn for one in predict([Path(name) for name in names], trained, Path())]
    assert drawn == ["a.3.predicted.png", "a.predicted.predicted.png", "link.predicted.png"]
    assert {name: Path(name).read_bytes() for name in before} == before


def test_text_goes_to_stdout_and_complaints_to_stderr(
    trained: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    ended = run("vision", "predict", trained / "example.png", "--model", trained,
                "--out", tmp_path)  # fmt: skip
    assert ended.code == 0
    assert f"wrote {tmp_path / 'example.predicted.png'}" in ended.out
    ended = run("vision", "predict", tmp_path / "gone.png", "--model", trained, "--out", tmp_path)
    assert ended.code == 2
    assert ended.out == ""
    assert "gone.png: there is no such picture" in ended.err


def test_the_drawing_differs_from_the_picture_only_where_boxes_are(tmp_path: Path) -> None:
    picture = Image.new("L", (100, 60), 40)
    drawn = draw_boxes(picture, [Box(50, 40, 70, 58, "7", 0.9, 7)])
    changed = ImageChops.difference(drawn, picture.convert("RGB")).getbbox()
    assert changed is not None
    assert changed[0] >= 49
    assert changed[1] > 20
    assert changed[3] == 59
    assert drawn.getpixel((60, 50)) == (40, 40, 40)  # inside
    assert draw_boxes(picture, [], scale=3).size == (300, 180)


def test_boxes_outside_or_inverted_are_drawn_without_harm() -> None:
    picture = Image.new("RGB", (20, 20))
    draw_boxes(picture, [Box(15, 15, 3, 2, "x" * 30, 1.0, 12), Box(-5, -5, 40, 40, "y", 0.5, 0)])


def test_a_sheet_holds_all_pictures() -> None:
    page = sheet([Image.new("RGB", (10, 10), "red")] * 5, ["a"] * 5, columns=2)
    reds = sum(pixel == (255, 0, 0) for pixel in page.get_flattened_data())
    assert reds == 500


def test_boxes_below_the_threshold_are_left_out() -> None:
    answers = Predictions(
        None, torch.tensor([[[0.0, 0, 1, 1], [0, 0, 2, 2]]]), torch.tensor([[0.4, 0.2]]),
        torch.tensor([[1, 0]]),
    )  # fmt: skip
    assert [one.name for one in boxes_of(answers, 0, ("a", "b"))] == ["b"]
    assert len(boxes_of(answers, 0, ("a", "b"), 0.0)) == 2
    assert boxes_of(Predictions(torch.ones(1, 2), None, None, None), 0, ("a", "b")) == []


@pytest.mark.parametrize(("size", "scaled"), [((64, 48), (96, 72)), ((10, 400), (2, 96))])
def test_pictures_keep_their_proportions(size: tuple[int, int], scaled: tuple[int, int]) -> None:
    fitted = fit(Image.new("L", size, 255), 96, 1)
    assert fitted.pixels.shape == (96, 96, 1)
    assert (fitted.pixels > 0).sum() == scaled[0] * scaled[1]
    assert (fitted.scale_x * size[0], fitted.scale_y * size[1]) == pytest.approx(scaled)


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    path, taken = tmp_path / "a.png", Image.new("L", (30, 20))
    taken.putpixel((0, 19), 255)  # at the bottom left; the camera was held on its side
    exif = Image.Exif()
    exif[0x0112] = 6
    taken.save(path, exif=exif)
    upright = read_picture(path)
    assert upright.size == (20, 30)
    assert upright.getpixel((0, 0)) == 255
    taken.save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01")  # cut off
    assert read_picture(path).size == (30, 20)


def test_what_pillow_warns_of_is_no_news(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    Image.new("P", (8, 8)).save(path, transparency=bytes(16))
    with warnings.catch_warnings(action="error"):
        assert read_picture(path).size == (8, 8)


def test_no_program_draws_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
    with pytest.raises(DataError, match=r"a\.eps: EPS is a program that draws; save the picture"):
        read_picture(tmp_path / "a.eps")


def test_whatever_a_decoder_raises_is_told_of_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.blp"
    Image.new("P", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[8] = 99  # its encoding, for which Pillow raises a NotImplementedError
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.blp: the picture is damaged: .*99; replace or"):
        read_picture(path)


def test_a_folder_is_no_damaged_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read: Is a directory; name another"):
        read_picture(tmp_path)


def test_what_is_no_file_is_no_damaged_picture_and_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: a named pipe, which may never end; name a"):
        read_picture(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(DataError, match=r"cannot be read: Too many levels of .*; name another"):
        read_picture(tmp_path / "loop.png")
    read, write = os.pipe()  # as a shell's <(...) names one
    os.write(write, encode_png(Image.new("RGB", (8, 6))))
    os.close(write)
    assert read_picture(Path(f"/dev/fd/{read}")).size == (8, 6)
    os.close(read)


def test_predict_in_python(trained: Path, tmp_path: Path) -> None:
    (one,) = predict([trained / "example.png"], trained, tmp_path)
    assert one.message is None
    assert read_picture(Path(one.drawn or "")).size == (384, 384)
