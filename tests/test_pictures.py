"""Whatever claims to be a picture decodes upright and whole, or is refused in one sentence."""

import random

import numpy as np
import pytest
from PIL import Image

from rectrio_models.errors import PictureError
from rectrio_models.pictures import open_picture
from tests.hostile import animated, bomb, encoded, noise, rotated


def difference(one, other):
    """The mean difference of two pictures' pixels, 0 to 255."""
    assert one.size == other.size
    return np.abs(np.asarray(one.convert("RGB"), int) - np.asarray(other.convert("RGB"), int)).mean()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_common_formats_open(form, photo):
    assert difference(open_picture(encoded(photo, form)), photo) < 5


def test_a_file_opens_as_its_bytes_do(photo, tmp_path):
    (tmp_path / "p.png").write_bytes(encoded(photo, "PNG"))
    assert open_picture(tmp_path / "p.png").tobytes() == photo.tobytes()


def test_cmyk_becomes_rgb(photo):
    found = open_picture(encoded(photo.convert("CMYK"), "JPEG", quality=95))
    assert found.mode == "RGB"
    assert difference(found, photo) < 20


def test_an_animated_gif_gives_its_first_frame(photo):
    assert difference(open_picture(animated(photo)), photo) < 10


def test_exif_rotation_is_applied(photo):
    assert difference(open_picture(rotated(photo)), photo.transpose(Image.Transpose.ROTATE_270)) < 5


def test_transparency_is_laid_on_white():
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert open_picture(encoded(picture, "PNG")).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_keep_their_contrast():
    grey = Image.fromarray(np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16))
    pixels = np.asarray(open_picture(encoded(grey, "PNG")))
    assert pixels.min() == 0
    assert pixels.max() == 255


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"%PDF-1.7 and so on", "What was given is not a picture; PNG"),
        (b"", "is not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
        (bomb(), "far more than the 50 million pixels that are decoded at most"),
        (bomb(8000), "is 8,000 × 8,000 pixels, more than the 50 million that are decoded at most"),
    ],
    ids=["pdf", "empty", "svg", "bomb", "large"],
)
def test_what_is_no_picture_is_refused(content, message):
    with pytest.raises(PictureError, match=message):
        open_picture(content)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_truncated_pictures_are_refused(form, share):
    content = encoded(noise(), form)
    with pytest.raises(PictureError):
        open_picture(content[: int(share * len(content))])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PictureError, match=r"“gone\.png” cannot be opened"):
        open_picture(tmp_path / "gone.png")


def test_any_damage_is_one_sentence():
    """Bytes changed at random in files of every format: a picture, or PictureError, and nothing else."""
    rng = random.Random(0)
    whole = [encoded(noise(16), form) for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")]
    outcomes = []
    for run in range(700):
        content = bytearray(whole[run % len(whole)])
        for _ in range(rng.choice([1, 3, 20])):
            content[rng.randrange(min(len(content), rng.choice([60, len(content)])))] = rng.randrange(256)
        try:
            outcomes.append(open_picture(bytes(content)).mode)
        except PictureError:
            outcomes.append("refused")
    assert set(outcomes) == {"RGB", "refused"}
