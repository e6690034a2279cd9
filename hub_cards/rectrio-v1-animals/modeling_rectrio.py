"""The RecTrio dual encoder: a 4-block convolutional network for pictures, a BiLSTM for text, one space for both."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from .configuration_rectrio import RecTrioConfig


@dataclass
class RecTrioOutput(ModelOutput):
    """What RecTrioModel returns, named as CLIP's output names it; I pictures, T texts, D dimensions.

    loss: scalar, when `return_loss` is set.
    logits_per_image: (I, T), the cosine of each picture and text times the logit scale, plus the logit bias: the
        sigmoid of it is how likely the two belong together. logits_per_text: (T, I).
    image_embeds: (I, D) and text_embeds: (T, D), of unit length.
    """

    loss: torch.Tensor | None = None
    logits_per_image: torch.Tensor | None = None
    logits_per_text: torch.Tensor | None = None
    image_embeds: torch.Tensor | None = None
    text_embeds: torch.Tensor | None = None


def sigmoid_loss(logits_per_image: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """The pairwise sigmoid loss of each picture, (I,): every pair of a picture and a text is judged by itself.

    logits_per_image: (I, T); positive: (I, T), whether the two belong together, or how much so, from 0 to 1. Pictures
    and texts need not be equally many. As no pair competes with another, a picture that surely fits ends nearer to its
    texts than one in doubt; a softmax over several positives would make them equally near, and rank the doubtful ones
    first.

    Source: Zhai et al., Sigmoid Loss for Language Image Pre-Training, arXiv 2303.15343, with as many positive pairs as
    there are, as in Yang et al., Unified Contrastive Learning in Image-Text-Label Space, arXiv 2204.03610.
    """
    positive = positive.to(logits_per_image.dtype)
    return F.binary_cross_entropy_with_logits(logits_per_image, positive, reduction="none").sum(dim=1)


class ConvNorm(nn.Sequential):
    """A 3×3 convolution and its batch norm; (B, in, h, w) → (B, out, h / stride, w / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )


class Residual(nn.Module):
    """Two convolutions beside an identity, after He et al., arXiv 1512.03385; (B, C, h, w) → the same."""

    def __init__(self, width: int):
        super().__init__()
        self.first = ConvNorm(width, width)
        self.second = ConvNorm(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class ImageTower(nn.Module):
    """A stem and four blocks; then the strongest response anywhere."""

    def __init__(self, config: RecTrioConfig):
        super().__init__()
        self.stem = ConvNorm(config.num_channels, config.stem_width, config.stem_stride)
        widths = [config.stem_width, *config.widths]
        self.blocks = nn.ModuleList(
            nn.ModuleList([ConvNorm(inputs, width, stride), *(Residual(width) for _ in range(depth))])
            for inputs, width, stride, depth in zip(widths, config.widths, config.strides, config.depths, strict=False)
        )

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) → (B, widths[-1])"""
        x = F.relu(self.stem(pixel_values))
        for first, *residuals in self.blocks:
            x = F.relu(first(x))
            for residual in residuals:
                x = residual(x)
        return x.amax(dim=(2, 3))


class TextTower(nn.Module):
    """Token embeddings, an LSTM from either end of the text, and the strongest response at any token (the BiLSTM with
    max pooling of InferSent, arXiv 1705.02364).

    The second LSTM reads the text's own tokens in reverse, so neither ever passes padding before a token. As the
    maximum takes no heed of order, the reversed states need not be turned round again.
    """

    def __init__(self, config: RecTrioConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_width, padding_idx=config.pad_token_id)
        self.dropout = nn.Dropout1d(config.text_dropout)  # whole tokens: (B, T, E) drops along T
        self.forwards = nn.LSTM(config.embedding_width, config.hidden_width, batch_first=True)
        self.backwards = nn.LSTM(config.embedding_width, config.hidden_width, batch_first=True)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """(B, T), (B, T) → (B, 2H). Padding must be on the right, and every text have a token."""
        lengths = attention_mask.sum(dim=1, keepdim=True)  # (B, 1)
        places = torch.arange(input_ids.shape[1], device=input_ids.device)[None, :]  # (1, T)
        reversed_ids = input_ids.gather(1, (lengths - 1 - places).clamp(min=0))
        ahead, _ = self.forwards(self.dropout(self.embedding(input_ids)))  # (B, T, H)
        back, _ = self.backwards(self.dropout(self.embedding(reversed_ids)))
        states = torch.cat([ahead, back], dim=-1)
        return states.masked_fill((places >= lengths)[:, :, None], -torch.inf).amax(dim=1)


class RecTrioModel(PreTrainedModel):
    """Pictures and texts to unit vectors in one space, compared by their cosine."""

    config_class = RecTrioConfig
    main_input_name = "pixel_values"
    loss_function = staticmethod(sigmoid_loss)

    def __init__(self, config: RecTrioConfig):
        super().__init__(config)
        self.image_tower = ImageTower(config)
        self.text_tower = TextTower(config)
        self.image_projection = nn.Linear(config.widths[-1], config.projection_dim, bias=False)
        self.text_projection = nn.Linear(2 * config.hidden_width, config.projection_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale))
        self.logit_bias = nn.Parameter(torch.tensor(config.logit_bias))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # PyTorch's own scales but where named: transformers' default of 0.02 starts the LSTMs all but mute
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d | nn.Linear | nn.LSTM | nn.Embedding):
            module.reset_parameters()
        elif isinstance(module, Residual):
            nn.init.zeros_(module.second[1].weight)  # each residual layer starts as the identity
        elif module is self:
            nn.init.constant_(self.logit_scale, self.config.logit_scale)
            nn.init.constant_(self.logit_bias, self.config.logit_bias)

    def get_image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Unit vectors, (B, projection_dim), of pictures, (B, num_channels, h, w)."""
        if not self.config.mirror or self.training:
            return F.normalize(self.image_projection(self.image_tower(pixel_values)), dim=-1)
        both = torch.cat([pixel_values, pixel_values.flip(-1)])  # (2B, C, h, w): one pass is faster than two
        features = F.normalize(self.image_projection(self.image_tower(both)), dim=-1)
        number = pixel_values.shape[0]
        return F.normalize(features[:number] + features[number:], dim=-1)

    def get_text_features(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Unit vectors, (B, projection_dim), of texts, (B, tokens); without a mask, no token is padding."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        return F.normalize(self.text_projection(self.text_tower(input_ids, attention_mask)), dim=-1)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        *,
        image_labels: torch.Tensor | None = None,
        text_labels: torch.Tensor | None = None,
        return_loss: bool = False,
        **kwargs,
    ) -> RecTrioOutput:
        """Embed whichever of pictures and texts is given, and compare them where both are.

        `return_loss` needs both. Without labels, picture i belongs to text i, as in SigLIP; with `image_labels` (I,)
        and `text_labels` (T,), every pair of one label does (`sigmoid_loss`).
        Raises ValueError when neither pictures nor texts are given, or the loss lacks one of them.
        """
        if input_ids is None and pixel_values is None:
            raise ValueError("Give input_ids, pixel_values, or both.")
        image_embeds = None if pixel_values is None else self.get_image_features(pixel_values)
        text_embeds = None if input_ids is None else self.get_text_features(input_ids, attention_mask)
        output = RecTrioOutput(image_embeds=image_embeds, text_embeds=text_embeds)
        if image_embeds is not None and text_embeds is not None:
            output.logits_per_image = self.logit_scale.exp() * image_embeds @ text_embeds.T + self.logit_bias
            output.logits_per_text = output.logits_per_image.T
        if return_loss:
            if output.logits_per_image is None:
                raise ValueError("The loss needs both pixel_values and input_ids.")
            images, texts = output.logits_per_image.shape
            if image_labels is None:
                image_labels = torch.arange(images, device=image_embeds.device)
            if text_labels is None:
                text_labels = torch.arange(texts, device=text_embeds.device)
            positive = image_labels[:, None] == text_labels[None, :]
            output.loss = self.loss_function(output.logits_per_image, positive).mean()
        return output


RecTrioModel.register_for_auto_class("AutoModel")
RecTrioModel.register_for_auto_class("AutoModelForZeroShotImageClassification")
