"""Pictures from outside, decoded safely: whatever comes in, an upright RGB picture or one clear sentence comes out."""

import io
import struct
import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from rectrio_models.errors import PictureError

# Formats that people have and whose Pillow decoders are memory-safe in long use; EPS (runs Ghostscript), PDF, WMF
# and the rarer ones stay shut.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
MAX_PIXELS = 50_000_000  # 150 MB decoded; a 50-megapixel camera's picture still fits


def open_picture(source: str | Path | bytes) -> Image.Image:
    """Decode a file or its bytes into an upright RGB picture: the first frame, EXIF rotation applied, CMYK and
    palettes converted, transparency laid on white.

    Raises PictureError when the bytes are no picture, are cut short, or would decode to over MAX_PIXELS.
    """
    name = "What was given" if isinstance(source, bytes) else f"“{Path(source).name}”"
    try:
        stream = io.BytesIO(source if isinstance(source, bytes) else Path(source).read_bytes())
    except OSError as error:
        raise PictureError(f"{name} cannot be opened: {error.strerror or error}.") from error
    with stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and, below our own limit, of bombs
        try:
            Image.init()  # every decoder that this build of Pillow has; AVIF is not in all of them
            picture = Image.open(stream, formats=[name for name in FORMATS if name in Image.OPEN])
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise PictureError(
                    f"{name} is {width:,} × {height:,} pixels, more than the {MAX_PIXELS // 1_000_000} million "
                    "that are decoded at most. Give a smaller copy."
                )
            return to_rgb(ImageOps.exif_transpose(picture))
        except UnidentifiedImageError as error:
            raise PictureError(f"{name} is not a picture; PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF is.") from error
        except Image.DecompressionBombError as error:
            raise PictureError(
                f"{name} has far more than the {MAX_PIXELS // 1_000_000} million pixels that are decoded at most. "
                "Give a smaller copy."
            ) from error
        except (OSError, SyntaxError, ValueError, EOFError, IndexError, RuntimeError, struct.error) as error:
            # the ways in which Pillow's decoders report damage
            raise PictureError(f"{name} is damaged or cut short. Give a whole copy of it.") from error


def to_rgb(picture: Image.Image) -> Image.Image:
    """Any Pillow mode as RGB; 16-bit greys are scaled to their brightest pixel, transparency is laid on white."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        floats = picture.convert("F")
        brightest = floats.getextrema()[1]
        if brightest > 255:
            floats = floats.point(lambda value: value * (255 / brightest) + 0)
        picture = floats.convert("L")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")
