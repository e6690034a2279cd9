"""The pictures that training shows: read once, held in memory, and changed anew for every step."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from tqdm import tqdm

from rectrio_models.dual_encoder.augmentation import augment, black_out, crop, recolour
from rectrio_models.dual_encoder.pixels_rectrio import square
from rectrio_models.dual_encoder.plan import Plan
from rectrio_models.formats import pictures_of

ROOM = 144  # side of the photos in memory, which crops are taken from


def load_pixels(dataset, side: int, channels: int, *, photos: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Every picture of a Dataset as uint8 (n, side, side, C), photos always with C = 3, and the labels (n,)."""
    pixels = np.empty((len(dataset), side, side, 3 if photos else channels), np.uint8)
    for row, picture in enumerate(
        tqdm(pictures_of(dataset), total=len(dataset), desc="reading pictures", unit=" pictures", leave=False)
    ):
        pixels[row] = square(picture, side, channels, dark_ground=not photos, stretch=photos)
    return torch.from_numpy(pixels), torch.tensor(dataset["label"][:])


def held_and_shown(order: torch.Tensor, labels: torch.Tensor, held: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first `held` rows of an order, and the others; but no class is held out whole."""
    held_out, shown = order[:held], order[held:]
    lost = set(labels[held_out].tolist()) - set(labels[shown].tolist())
    if not lost:
        return held_out, shown
    moved = torch.tensor([label in lost for label in labels[held_out].tolist()])
    return held_out[~moved], torch.cat([shown, held_out[moved]])


def channel_statistics(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel, (C,) of 0 to 1, over pictures (n, h, w, C) uint8."""
    counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in pixels.unbind(dim=3)])
    shades = torch.arange(256, dtype=torch.float64) / 255
    shares = counts.double() / counts.sum(dim=1, keepdim=True)  # (C, 256)
    mean = shares @ shades
    std = (shares * (shades - mean[:, None]).square()).sum(dim=1).sqrt()
    return mean.float().round(decimals=4), std.float().round(decimals=4).clamp(min=1e-3)  # flat pictures have none


@dataclass(frozen=True)
class Pixels:
    """Small, clean training pictures as they lie in memory."""

    values: torch.Tensor  # (n, h, w, C) uint8
    labels: torch.Tensor  # (n,) int64
    ranks: torch.Tensor | None  # (n, measures) of `ranks_in_class`, where the data set has attributes
    mean: torch.Tensor  # (C,) of the shown pictures, 0 to 1
    std: torch.Tensor  # (C,)
    side: int  # of the pictures that the model is given

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        """Pictures as a search shows them, standardised float32 (len(rows), C, side, side), channels last."""
        return self.standardised(self.values[rows].permute(0, 3, 1, 2).float().div_(255))

    def views(self, rows: torch.Tensor, boxes: np.ndarray, plan: Plan, epoch: int) -> torch.Tensor:
        """Pictures as training shows them, changed by chance; of the same kind as a batch. `boxes` are of photos."""
        pictures = self.batch(rows)
        if plan.stage(epoch) == "plain":
            return augment(pictures, self.black, shift=0, erase=0)
        pictures = augment(pictures, self.black, shift=plan.shift, erase=plan.erase)
        side = plan.side_at(epoch, self.side)
        if side == self.side:
            return pictures
        smaller = F.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)
        return smaller.contiguous(memory_format=torch.channels_last)

    def standardised(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures of 0 to 1, (B, C, h, w), brought to mean 0 and standard deviation 1; may change them in place."""
        pictures = pictures[:, : len(self.mean)]  # grey photos are recoloured in three channels, and shown in one
        pictures = pictures.to(self.mean.device).sub_(self.mean[:, None, None]).div_(self.std[:, None, None])
        return pictures.contiguous(memory_format=torch.channels_last)

    def about(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The labels of pictures, (len(rows),), and their ranks, (len(rows), measures)."""
        device = self.labels.device
        ranks = None if self.ranks is None else self.ranks[rows.cpu()].to(device)
        return self.labels[rows.to(device)], ranks

    @property
    def black(self) -> torch.Tensor:
        """What a black pixel is after standardising, (C, 1, 1)."""
        return (-self.mean / self.std)[:, None, None]


class Photos(Pixels):
    """Photos, which lie in the CPU's memory larger than they are shown, grey ones too: (n, ROOM, ROOM, 3)."""

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        size, photos = (self.side, self.side), self.values[rows.cpu()].numpy()
        shown = [Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC) for photo in photos]
        return self.standardised(floats(shown))

    def views(self, rows: torch.Tensor, boxes: np.ndarray, plan: Plan, epoch: int) -> torch.Tensor:
        side = plan.side_at(epoch, self.side)
        rng = np.random.default_rng(int(torch.randint(2**31, ())))
        photos = zip(self.values[rows.cpu()].numpy(), boxes, strict=True)
        pictures = floats([crop(photo, box, side, plan.coarse, rng) for photo, box in photos])
        pictures = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, pictures.flip(3), pictures)
        pictures = recolour(pictures, strength=plan.colour, grey=plan.grey)
        pictures += torch.randn_like(pictures) * torch.rand(len(rows), 1, 1, 1) * plan.noise
        pictures = self.standardised(pictures)
        return black_out(pictures, self.black, plan.erase * side // self.side) if plan.erase else pictures


def floats(pictures: list) -> torch.Tensor:
    """Pictures of Pillow's or uint8 arrays, each (h, w, C), as float32 of 0 to 1, (n, C, h, w)."""
    stacked = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    return stacked.permute(0, 3, 1, 2).float().div_(255).contiguous()


def choose_pictures(
    shown: torch.Tensor, losses: torch.Tensor, plan: Plan, epoch: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of this epoch in random order, and the weight of each in the loss.

    Of the pictures whose last loss was below the mean, a share is left out and the others count the more for it,
    so that the gradient stays unbiased. Source: Qin et al., InfoBatch, arXiv 2303.04947, section 3.
    """
    last = losses[shown]
    easy = last < last[last.isfinite()].mean()  # a picture that was never shown is infinitely hard
    if epoch >= plan.prune_until * plan.epochs or len(shown) < 4 * plan.batch_size:
        easy[:] = False  # at the end, and of a small data set, every picture is shown
    keep = ~easy | (torch.rand(len(shown)) >= plan.prune)
    weights = torch.where(easy, 1 / (1 - plan.prune), 1.0)[keep]
    order = torch.randperm(int(keep.sum()))
    return shown[keep][order], weights[order]


def draw_by_class(rows: torch.Tensor, labels: torch.Tensor, balance: float) -> torch.Tensor:
    """As many rows again, drawn with the size of their class to the minus `balance`: rare classes come oftener, each
    time in another view."""
    sizes = labels[rows].bincount()
    chances = sizes[labels[rows]].float() ** -balance
    return rows[torch.multinomial(chances, len(rows), replacement=True)]
