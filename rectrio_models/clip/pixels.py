"""Pictures to CLIP's pixel values with Pillow and NumPy alone, just as transformers' CLIPImageProcessorPil does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rectrio_models.errors import ModelError


@dataclass(frozen=True)
class PixelForm:
    """What a CLIP checkpoint wants pictures to look like; kept as JSON beside the exported towers."""

    shortest_edge: int | None  # the shorter side is fitted to it …
    size: tuple[int, int] | None  # … or the picture is pressed into (height, width)
    crop: tuple[int, int] | None  # then (height, width) are cut from the middle
    resample: int  # one of Pillow's filters
    mean: tuple[float, ...]  # (3,), of pixels from 0 to 1
    std: tuple[float, ...]  # (3,)

    @classmethod
    def of_processor(cls, processor) -> "PixelForm":
        """The form that a transformers image processor of CLIP's kind prepares.

        Raises ModelError when it prepares pictures in a way that CLIP's does not.
        """
        # a processor that does not crop has size as (height, width); one that neither crops nor resizes is not CLIP's
        size, crop = dict(processor.size), dict(processor.crop_size or {})
        shape = (size.get("height"), size.get("width"))
        if not (processor.do_resize and processor.do_rescale and processor.do_normalize) or (
            not size.get("shortest_edge") and None in shape
        ):
            raise ModelError("The checkpoint's image processor is not CLIP's: it must resize, rescale and normalise.")
        return cls(
            shortest_edge=size.get("shortest_edge"),
            size=None if size.get("shortest_edge") else shape,
            crop=(crop["height"], crop["width"]) if processor.do_center_crop else None,
            resample=int(processor.resample),
            mean=tuple(processor.image_mean),
            std=tuple(processor.image_std),
        )

    def pixels(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Resized and cropped pixels, uint8 (n, height, width, 3), as the exported tower takes them."""
        return np.stack([self.fitted(picture.convert("RGB")) for picture in pictures])

    def pixel_values(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Standardised pixels, float32 (n, 3, height, width), as CLIPModel takes them."""
        scale = 1 / (255 * np.asarray(self.std, np.float32))
        shift = np.asarray(self.mean, np.float32) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray((self.pixels(pictures) * scale - shift).transpose(0, 3, 1, 2), np.float32)

    def fitted(self, picture: Image.Image) -> np.ndarray:
        """One RGB picture resized and cropped, uint8 (height, width, 3)."""
        width, height = picture.size
        if self.shortest_edge:
            short = min(width, height)
            width, height = (self.shortest_edge * side // short for side in (width, height))
        else:
            height, width = self.size
        longest = 16 * max(self.crop or (height, width))
        if max(width, height) > longest:  # a strip of one pixel by thousands: all but its middle is cropped anyway
            return self.fitted(middle_of(picture))
        resized = picture if (width, height) == picture.size else picture.resize((width, height), self.resample)
        if self.crop is None:
            return np.asarray(resized)
        top, left = (height - self.crop[0]) // 2, (width - self.crop[1]) // 2
        return np.asarray(resized.crop((left, top, left + self.crop[1], top + self.crop[0])))


def middle_of(picture: Image.Image) -> Image.Image:
    """The middle of a very long picture, 8 times as long as it is wide."""
    width, height = picture.size
    short = min(width, height)
    half_width, half_height = (min(side, 8 * short) / 2 for side in (width, height))
    box = (width / 2 - half_width, height / 2 - half_height, width / 2 + half_width, height / 2 + half_height)
    return picture.crop(tuple(map(int, box)))
