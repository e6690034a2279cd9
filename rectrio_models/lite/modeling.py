"""Both towers of v2-lite as PyTorch modules: the pre-trained bases, and the head that brings them together.

A picture's embedding is its features from EfficientNet-Lite0, less their mean over ImageNet, seen from the directions
in which the classifier's weights differ most. A text's is where the kernel regression of training puts its sentence
embedding from MiniLM: near the weights of the classes that it names.
"""

import io
import json

import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import load
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from rectrio_models.lite.bases import MEAN, SCALE, Base


class FeatureTower(nn.Module):
    """Pixels (B, 224, 224, 3), uint8 → EfficientNet's features (B, 1280): what its classifier is linear in."""

    def __init__(self, network: EfficientNet):
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        standard = (pixels.permute(0, 3, 1, 2).to(torch.float32) - MEAN) / SCALE  # (B, 3, 224, 224)
        return self.network.extract_features(standard).mean(dim=(2, 3))


class ImageTower(nn.Module):
    """Pixels (B, 224, 224, 3), uint8 → unit embeddings (B, dim)."""

    def __init__(self, features: FeatureTower, *, mean: Tensor, projection: Tensor):
        super().__init__()
        self.features = features
        self.register_buffer("mean", mean)  # (1280,)
        self.register_buffer("projection", projection)  # (1280, dim)

    def forward(self, pixels: Tensor) -> Tensor:
        return F.normalize((self.features(pixels) - self.mean) @ self.projection, dim=1)


class SentenceTower(nn.Module):
    """Tokens (B, T) → MiniLM's sentence embeddings (B, 384): the mean over a text's tokens, of unit length."""

    def __init__(self, bert: BertModel):
        super().__init__()
        # its parts, run one by one: BertModel.forward makes its mask in a way that tracing cannot follow
        self.embeddings, self.layers = bert.embeddings, bert.encoder.layer

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        shown = attention_mask.to(torch.float32)  # (B, T)
        hidden = self.embeddings(input_ids)  # (B, T, 384)
        for layer in self.layers:
            hidden = layer(hidden, (1 - shown)[:, None, None, :] * -1e9)
        return F.normalize((hidden * shown[..., None]).sum(dim=1) / shown.sum(dim=1, keepdim=True), dim=1)


class TextTower(nn.Module):
    """Tokens (B, T) → unit embeddings (B, dim)."""

    def __init__(self, sentences: SentenceTower, *, mean: Tensor, landmarks: Tensor, weights: Tensor, sharpness: float):
        super().__init__()
        self.sentences = sentences
        self.sharpness = sharpness
        self.register_buffer("mean", mean)  # (384,)
        self.register_buffer("landmarks", landmarks)  # (m, 384)
        self.register_buffer("weights", weights)  # (m + 384, dim)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        sentences = F.normalize(self.sentences(input_ids, attention_mask) - self.mean, dim=1)  # (B, 384)
        return F.normalize(kernel(sentences, self.landmarks, self.sharpness) @ self.weights, dim=1)


def kernel(sentences: Tensor, landmarks: Tensor, sharpness: float) -> Tensor:
    """What the regression is linear in: how near unit vectors (n, 384) are to each landmark (m, 384), and the vectors
    themselves, (n, m + 384)."""
    return torch.cat([torch.exp(sharpness * (sentences @ landmarks.T - 1)), sentences], dim=1)


def load_efficientnet(base: Base) -> EfficientNet:
    """The image base, ready for inference; raises ModelError as `Base.read` does."""
    (path,) = base.files
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(io.BytesIO(base.read(path)), weights_only=True))
    return network.eval()


def load_minilm(base: Base) -> BertModel:
    """The text base, ready for inference; raises ModelError as `Base.read` does."""
    bert = BertModel(BertConfig(**json.loads(base.read("config.json"))), add_pooling_layer=False)
    weights = load(base.read("model.safetensors"))
    bert.load_state_dict({name: weights[name] for name in bert.state_dict() if name in weights}, strict=False)
    return bert.eval()
