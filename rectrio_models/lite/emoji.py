"""Drawings with names, for the training of the head alone: Noto's emoji, as Unicode's CLDR names them. Debian's
fonts-noto-color-emoji and unicode-cldr-core carry them.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rectrio_models.errors import DataError

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
NAMES = Path("/usr/share/unicode/cldr/common/annotations/en.xml")
BITMAP, WIDTH, HEIGHT = 109, 136, 128  # pixels: the one size that the font has, and what a drawing takes
REGIONAL, SKIN_TONES = range(0x1F1E6, 0x1F200), range(0x1F3FB, 0x1F400)  # of flags, and of variants of a drawing
COLOUR = 30  # levels between the channels of a pixel; signs in black and white have less


def emoji() -> Iterator[tuple[Image.Image, str]]:
    """Every emoji in colour that is neither a flag nor a variant of another, on a white square, with its name.

    Raises DataError, naming the packages, where they are not installed.
    """
    if not FONT.is_file() or not NAMES.is_file():
        raise DataError(
            "The emoji that the head learns from are not here. On Debian and Ubuntu: "
            "apt install fonts-noto-color-emoji unicode-cldr-core"
        )
    font = ImageFont.truetype(FONT, BITMAP)
    drawn = set()
    for entry in ElementTree.parse(NAMES).iterfind(".//annotation[@type='tts']"):
        characters = entry.get("cp")
        if any(ord(one) in REGIONAL or ord(one) in SKIN_TONES for one in characters):
            continue
        picture = Image.new("RGB", (WIDTH, WIDTH), "white")
        ImageDraw.Draw(picture).text((0, (WIDTH - HEIGHT) // 2), characters, font=font, embedded_color=True)
        if np.ptp(np.asarray(picture), axis=2).max() >= COLOUR and picture.tobytes() not in drawn:
            drawn.add(picture.tobytes())
            yield picture, entry.text
