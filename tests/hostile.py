"""Files that people and attackers give for pictures."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def encoded(picture: Image.Image, form: str, **options) -> bytes:
    """A picture as the bytes of a file."""
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def noise(side: int = 64) -> Image.Image:
    """A picture that does not compress, so that cutting its file short cuts into its pixels."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8))


def bomb(side: int = 30_000) -> bytes:
    """A PNG of side × side pixels in under a megabyte."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def rotated(picture: Image.Image) -> bytes:
    """A JPEG whose EXIF says: rotate by 90° to see me upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture, "JPEG", exif=exif, quality=95)


def animated(picture: Image.Image) -> bytes:
    """A GIF that begins with the picture and goes on in red."""
    return encoded(picture, "GIF", save_all=True, append_images=[Image.new("RGB", picture.size, "red")])
