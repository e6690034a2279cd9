"""What training does to a picture so that no two epochs show it alike: clean small pictures are moved, mirrored and
partly blacked out; photos are cropped, blurred and recoloured as well, until nothing tells which source one is from.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

GREY = torch.tensor([0.299, 0.587, 0.114])  # ITU-R 601's weights of red, green and blue, as Pillow uses them


def augment(pictures: torch.Tensor, black: torch.Tensor, *, shift: int, erase: int) -> torch.Tensor:
    """Move each picture by up to `shift` pixels, mirror half of them, and black out a square of up to `erase` pixels
    in half of them (Zhong et al., arXiv 1708.04896); (B, C, h, w) → the same."""
    number, _, height, width = pictures.shape
    device = pictures.device
    padded = F.pad(pictures - black, (shift,) * 4) + black  # black all around
    rows = torch.randint(0, 2 * shift + 1, (number, 1), device=device) + torch.arange(height, device=device)  # (B, h)
    columns = torch.randint(0, 2 * shift + 1, (number, 1), device=device) + torch.arange(width, device=device)  # (B, w)
    mirrored = torch.rand(number, 1, device=device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    every = torch.arange(number, device=device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[every, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return black_out(moved, black, erase) if erase else moved


def black_out(pictures: torch.Tensor, black: torch.Tensor | float, largest: int) -> torch.Tensor:
    """A square of half of `largest` to `largest` pixels turned `black` in half of the pictures; (B, C, h, w)."""
    number, _, height, width = pictures.shape
    device = pictures.device
    side = torch.randint(largest // 2, largest + 1, (number, 1), device=device)
    side *= torch.rand(number, 1, device=device) < 0.5
    top = torch.randint(0, height, (number, 1), device=device) - side // 2
    left = torch.randint(0, width, (number, 1), device=device) - side // 2
    y, x = torch.arange(height, device=device), torch.arange(width, device=device)
    hit = ((y >= top) & (y < top + side))[:, :, None] & ((x >= left) & (x < left + side))[:, None, :]  # (B, h, w)
    return torch.where(hit[:, None], black, pictures)


def mix(pictures: torch.Tensor, chance: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A rectangle of another picture put into a share `chance` of them (Yun et al., CutMix, arXiv 1905.04899);
    (B, C, h, w) → the same, the row of the other picture, (B,), and the share that is left of its own, (B, 1)."""
    number, _, height, width = pictures.shape
    device = pictures.device
    others = torch.randperm(number, device=device)
    # the share of the area is uniform from 0 to 1; what lies beyond the edge is lost
    side = (torch.rand(number, 1, device=device) * (torch.rand(number, 1, device=device) < chance)).sqrt() / 2
    y, x = (torch.rand(number, 1, device=device) for _ in range(2))  # the middle, of 0 to 1
    down = ((torch.arange(height, device=device) + 0.5) / height - y).abs() < side  # (B, h)
    across = ((torch.arange(width, device=device) + 0.5) / width - x).abs() < side  # (B, w)
    hit = down[:, :, None] & across[:, None, :]  # (B, h, w)
    mixed = torch.where(hit[:, None], pictures[others], pictures).contiguous(memory_format=torch.channels_last)
    return mixed, others, 1 - hit.float().mean(dim=(1, 2))[:, None]


# --- photos -------------------------------------------------------------------------------------------------------


def random_boxes(number: int, smallest: float, rng: np.random.Generator) -> np.ndarray:
    """Where to crop: left, top, right and bottom as shares of the picture, (number, 4). A box has between `smallest`
    and all of the area, and stretches the picture by up to a third (Szegedy et al., arXiv 1409.4842, section 6)."""
    area = rng.uniform(smallest, 1, number)
    ratio = np.exp(rng.uniform(-math.log(4 / 3), math.log(4 / 3), number))
    width, height = np.minimum(np.sqrt(area * ratio), 1), np.minimum(np.sqrt(area / ratio), 1)
    left, top = rng.uniform(0, 1, number) * (1 - width), rng.uniform(0, 1, number) * (1 - height)
    return np.stack([left, top, left + width, top + height], axis=1)


def crop(photo: np.ndarray, box: Sequence[float], side: int, coarse: float, rng: np.random.Generator) -> np.ndarray:
    """One box of a photo, (room, room, 3) uint8, as (side, side, 3) uint8.

    A share `coarse` of the photos goes through a coarser grid, so that sharpness betrays no source. Pillow weighs all
    the pixels that a new one covers, as it does when a picture is searched.
    """
    picture, box = Image.fromarray(photo), tuple(np.multiply(box, len(photo)))
    if rng.random() < coarse:
        grid = int(rng.integers(side // 3, side))
        picture, box = picture.resize((grid, grid), Image.Resampling.BILINEAR, box), None
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, box))


def recolour(photos: torch.Tensor, *, strength: float, grey: float) -> torch.Tensor:
    """Another brightness, contrast, saturation, hue and light for each photo, and a share `grey` of them grey;
    (B, 3, h, w) of 0 to 1 → the same.

    All of it is linear in the colour, so it is one matrix and one offset a photo.
    """
    number = len(photos)

    def near_1(*shape: int, by: float) -> torch.Tensor:
        return 1 + (torch.rand(number, *shape) * 2 - 1) * by

    saturation = near_1(1, 1, by=strength) * (torch.rand(number, 1, 1) >= grey)
    matrix = saturation * torch.eye(3) + (1 - saturation) * GREY.expand(3, 3)  # (B, 3, 3)
    matrix = hue_turns((torch.rand(number, 1, 1) * 2 - 1) * strength / 2) @ matrix
    contrast = near_1(1, 1, by=strength)
    matrix = matrix * contrast * near_1(1, 1, by=strength) * near_1(3, 1, by=strength / 3)
    offset = photos.mean(dim=(1, 2, 3))[:, None, None] * (1 - contrast)  # (B, 1, 1)
    return torch.baddbmm(offset, matrix, photos.flatten(2)).clamp_(0, 1).view_as(photos)


def hue_turns(angles: torch.Tensor) -> torch.Tensor:
    """Rotations of RGB about the grey axis by radians, (B, 1, 1) → (B, 3, 3): Rodrigues' formula."""
    axis = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    return angles.cos() * torch.eye(3) + (1 - angles.cos()) / 3 + angles.sin() * axis
