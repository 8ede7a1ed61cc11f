"""Pictures in and out of files: read safely, fitted to the network's canvas, written whole."""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from codemtl.ending import tidy
from codemtl.errors import DataError, WriteError

MOST_PIXELS = 100_000_000  # beyond this a small file could fill the memory


class Fitted(NamedTuple):
    """A picture scaled to fit a square canvas, at its top left, the rest black."""

    pixels: NDArray[np.uint8]  # [size, size, channels]
    scale_x: float  # canvas pixels a picture pixel
    scale_y: float


def read_picture(path: Path) -> Image.Image:
    """A picture, decoded and upright. Raises DataError that names the file."""
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode) and os.path.exists(os.path.realpath(path)):
            raise DataError(f"{path}: a named pipe, which may never end; name a file")
        # Pillow's warnings are of sizes, which are looked at here, and of what it can read anyhow
        with warnings.catch_warnings(action="ignore"), Image.open(path) as file:
            if file.width * file.height > MOST_PIXELS:
                raise DataError(
                    f"{path}: {file.width}x{file.height} pixels are too many; "
                    f"scale it to at most {MOST_PIXELS:,}"
                )
            if file.format == "EPS":  # to draw it, Pillow starts Ghostscript
                raise DataError(f"{path}: EPS is a program that draws; save the picture as PNG")
            if file.mode in ("I", "F"):
                raise DataError(
                    f"{path}: its pixels have 32 bits, and what is white is not known; save it "
                    "with 8 or 16"
                )
            file.load()
            picture = _upright(file)
            if picture.mode.startswith("I;16"):  # Pillow would cut off all above 255
                return Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
            return picture.convert("RGB" if picture.mode not in ("L", "1") else "L")
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such picture; check the path") from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{path}: its pixels are too many; scale it to at most {MOST_PIXELS:,}"
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not a picture that Pillow can read (PNG, JPEG, …)") from error
    except Exception as error:  # decoders raise what they like
        if isinstance(error, OSError) and error.errno is not None:  # of the system
            raise DataError(f"{path}: cannot be read: {error.strerror}; name another") from error
        raise DataError(f"{path}: the picture is damaged: {error}; replace or remove it") from error


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF data say: cameras write there how they were held, and turn no pixels."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF data, in which many things can go wrong
        return picture


def fit(picture: Image.Image, size: int, channels: int) -> Fitted:
    """Scale a picture to the canvas, keeping its proportions."""
    picture = picture.convert("L" if channels == 1 else "RGB")
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    scales = width / picture.width, height / picture.height
    if (width, height) != picture.size:
        picture = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    canvas = np.zeros((size, size, channels), np.uint8)
    canvas[:height, :width] = np.asarray(picture).reshape(height, width, channels)
    return Fitted(canvas, *scales)


def encode_png(picture: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system refuses meanwhile is said of ``path``. Raises WriteError."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error


@tidy()
def write_whole(path: Path, data: bytes) -> None:
    """Write or replace a file in one step, on the disk when this returns."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with writing(path):
            with open(partial, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
    finally:
        with suppress(OSError):  # where it cannot be written it may not be looked at either
            partial.unlink(missing_ok=True)
