"""CAPTIONED: sets of pictures that each have a caption of their own, to measure how well a text finds the one picture
it was written for. They are not searched in the page."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from rectrio_models.errors import DataError
from rectrio_models.pictures import open_picture


@dataclass(frozen=True)
class CaptionedSet:
    """A folder of PNG files, each with a .txt file of the same name whose first line is its caption in English."""

    name: str
    title: str
    place: Path
    left_out: str  # a subfolder whose pictures are not taken
    hint: str  # how to get it

    def load(self, data: Path | None = None) -> tuple[list[Path], list[str]]:
        """The pictures' files and their captions, in order of the files; raises DataError where there are none."""
        folder = data or self.place
        files, captions = [], []
        for file in sorted(folder.rglob("*.png")):
            text = file.with_suffix(".txt")
            if self.left_out in file.relative_to(folder).parts or not text.is_file():
                continue
            lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
            if lines and lines[0].strip():
                files.append(file)
                captions.append(lines[0].strip())
        if not files:
            raise DataError(f"{folder} holds no captioned pictures. {self.hint}, or give a copy of yours with --data.")
        return files, captions


CAPTIONED = {
    "tuxpaint-stamps": CaptionedSet(
        name="tuxpaint-stamps",
        title="Tux Paint stamps",
        place=Path("/usr/share/tuxpaint/stamps"),
        left_out="symbols",  # letters, flags and signs
        hint="On Debian and Ubuntu: apt install tuxpaint-stamps-default",
    ),
}


def squares(files: list[Path]) -> Iterator[Image.Image]:
    """The pictures on a white square each, so that no encoder crops what its caption speaks of."""
    for file in files:
        picture = open_picture(file)
        side = max(picture.size)
        square = Image.new("RGB", (side, side), "white")
        square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        yield square
