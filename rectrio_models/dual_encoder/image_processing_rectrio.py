"""The image processor of RecTrio, as transformers expects one: pictures in, `pixel_values` out."""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature
from transformers.image_utils import ImageInput, make_flat_list_of_images, to_numpy_array

from .pixels_rectrio import pixel_values


class RecTrioImageProcessor(BaseImageProcessor):
    """Fits any picture into the square the model embeds.

    image_size, num_channels: as in RecTrioConfig.
    image_mean, image_std: of each channel over the training pictures, from 0 to 1.
    dark_ground: the training pictures show their subject on black; others are brought to that form
        (`pixels_rectrio.square` says how).
    stretch: pictures fill the square whatever their proportions, as photos of any kind do best.
    """

    model_input_names = ["pixel_values"]

    def __init__(
        self,
        image_size: int = 28,
        num_channels: int = 1,
        image_mean: Sequence[float] = (0.286,),
        image_std: Sequence[float] = (0.353,),
        dark_ground: bool = True,
        stretch: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_size = image_size
        self.num_channels = num_channels
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)
        self.dark_ground = dark_ground
        self.stretch = stretch

    def preprocess(self, images: ImageInput, return_tensors: str | None = None, **kwargs) -> BatchFeature:
        """`pixel_values`, float32 (n, num_channels, image_size, image_size), of one picture or many, as Pillow
        images, or as arrays or tensors: whole numbers of 0 to 255, or floats of 0 to 1."""
        pictures = [as_picture(image) for image in make_flat_list_of_images(self.fetch_images(images))]
        values = pixel_values(
            pictures,
            image_size=self.image_size,
            num_channels=self.num_channels,
            image_mean=self.image_mean,
            image_std=self.image_std,
            dark_ground=self.dark_ground,
            stretch=self.stretch,
        )
        return BatchFeature({"pixel_values": values}, tensor_type=return_tensors)


def as_picture(image) -> Image.Image:
    """A Pillow image of an array or tensor, (h, w), (h, w, channels) or (channels, h, w)."""
    if isinstance(image, Image.Image):
        return image
    pixels = to_numpy_array(image)
    if pixels.dtype.kind == "f":
        if not 0 <= pixels.min() <= pixels.max() <= 1:
            raise ValueError(f"Float pixels go from 0 to 1; these go from {pixels.min():g} to {pixels.max():g}.")
        pixels = (pixels * 255).round()
    pixels = pixels.astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3) and pixels.shape[2] not in (1, 3):
        pixels = pixels.transpose(1, 2, 0)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


RecTrioImageProcessor.register_for_auto_class()
