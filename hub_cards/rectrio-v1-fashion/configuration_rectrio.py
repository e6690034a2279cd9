"""The shape of a RecTrio dual encoder: everything that the weights depend on."""

import math

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class RecTrioConfig(PreTrainedConfig):
    """A convolutional image tower, a BiLSTM text tower, one embedding space.

    image_size: side of the square pictures the model embeds, in pixels.
    num_channels: 1 for grey pictures, 3 for RGB.
    stem_width, widths: channels of the first convolution and of the four blocks.
    stem_stride, strides: by how much the first convolution and each block divide the picture's side.
    depths: how many residual layers each block has.
    mirror: average the image embedding over the picture and its mirror image, as both show the same thing. Costs a
        second picture in the image tower; off while training.
    vocab_size, pad_token_id: of the tokenizer.
    embedding_width, hidden_width: channels of the token embedding, and of the LSTM in each direction.
    text_dropout: share of the tokens that training leaves out.
    max_tokens: longer texts are cut there.
    projection_dim: dimensions of the common space.
    logit_scale, logit_bias: what the cosine is multiplied by (as a logarithm) and what is added then, at the start
        of training.
    """

    model_type = "rectrio"

    image_size: int = 28
    num_channels: int = 1
    stem_width: int = 16
    stem_stride: int = 1
    widths: list[int] | tuple[int, ...] = (16, 48, 96, 192)
    strides: list[int] | tuple[int, ...] = (1, 2, 2, 2)
    depths: list[int] | tuple[int, ...] = (1, 1, 1, 1)
    mirror: bool = True
    vocab_size: int = 2048
    pad_token_id: int | None = 0
    embedding_width: int = 96
    hidden_width: int = 128
    text_dropout: float = 0.2
    max_tokens: int = 64
    projection_dim: int = 256
    logit_scale: float = 2.7726  # ln 16
    logit_bias: float = -6.0

    def validate_architecture(self):
        """Part of the validation that every config goes through, which says what this raises."""
        if {len(self.widths), len(self.strides), len(self.depths)} != {4}:
            raise ValueError(
                f"The image tower has four blocks; got widths {self.widths}, strides {self.strides} and depths "
                f"{self.depths}."
            )
        strides = [self.stem_stride, *self.strides]
        if self.image_size < math.prod(strides):
            raise ValueError(f"Strides {strides} leave nothing of pictures of {self.image_size} pixels.")


RecTrioConfig.register_for_auto_class()
