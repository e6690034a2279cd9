"""Pictures to pixel values with Pillow and NumPy alone, so that searching needs no deep-learning library for it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

GROUND_TOLERANCE = 0.05 * 255  # how far from the corners' shade a pixel still counts as ground


def pixel_values(
    pictures: Sequence[Image.Image],
    *,
    image_size: int,
    num_channels: int,
    image_mean: Sequence[float],
    image_std: Sequence[float],
    dark_ground: bool,
    stretch: bool = False,
) -> np.ndarray:
    """Standardised pixels, float32 (n, num_channels, image_size, image_size), of any pictures of Pillow's."""
    batch = np.empty((len(pictures), image_size, image_size, num_channels), np.uint8)
    for row, picture in zip(batch, pictures, strict=True):
        row[:] = square(picture, image_size, num_channels, dark_ground=dark_ground, stretch=stretch)
    scale = 1 / (255 * np.asarray(image_std, np.float32))
    shift = np.asarray(image_mean, np.float32) / np.asarray(image_std, np.float32)
    return (batch * scale - shift).transpose(0, 3, 1, 2).astype(np.float32)


def square(picture: Image.Image, size: int, channels: int, *, dark_ground: bool, stretch: bool = False) -> np.ndarray:
    """One picture as uint8 (size, size, channels), its longest side fitted and the rest filled up, or with `stretch`
    both sides fitted, whatever the proportions.

    A picture that is `size` × `size` already is taken as it is. With `dark_ground` any other picture is prepared
    as Fashion-MNIST prepared its own (Xiao et al., arXiv 1708.07747, section 2): the plain margin is trimmed, the
    longest side fitted, the rest filled with ground, and a light ground made dark by negation.
    """
    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size == (size, size):
        return np.asarray(picture).reshape(size, size, channels)
    picture.thumbnail((8 * size, 8 * size), Image.Resampling.BOX, reducing_gap=2.0)  # exact margins need no more
    light = False
    if dark_ground:
        pixels = np.asarray(picture.convert("L"), np.int16)
        ground = np.median([pixels[0, 0], pixels[0, -1], pixels[-1, 0], pixels[-1, -1]])
        light = ground > 127
        picture = trim(picture, np.abs(pixels - ground) > GROUND_TOLERANCE)
    scale = size / max(picture.size)
    width, height = (size if stretch else max(1, round(side * scale)) for side in picture.size)
    fitted = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS)).reshape(height, width, channels)
    canvas = np.zeros((size, size, channels), np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    canvas[top : top + height, left : left + width] = 255 - fitted if light else fitted
    return canvas


def trim(picture: Image.Image, content: np.ndarray) -> Image.Image:
    """The picture without the margins in which `content`, (h, w), holds nowhere; whole if it holds nowhere at all."""
    rows, columns = content.any(axis=1).nonzero()[0], content.any(axis=0).nonzero()[0]
    if len(rows) == 0:
        return picture
    return picture.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
