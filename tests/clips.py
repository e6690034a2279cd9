"""Small CLIPs with random weights and the real vocabulary, in the forms that checkpoints come in."""

import json
import shutil
from pathlib import Path

from rectrio_models.clip.random_weights import clip_tokenizer

SIDE = 32  # pixels


def write_clip(folder: Path, *, seed: int = 0, legacy_end: bool = False) -> Path:
    """Write a tiny CLIP checkpoint. `legacy_end`: with the end token's number as OpenAI's checkpoints have it, which
    has transformers look for the highest token instead."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**layers, "eos_token_id": 2 if legacy_end else 49407, "bos_token_id": 49406},
        vision_config={**layers, "image_size": SIDE, "patch_size": 8},
        projection_dim=24,
    )
    torch.manual_seed(seed)
    model = CLIPModel(config)
    with torch.no_grad():  # the usual small start would embed all pictures alike
        for name, weights in model.named_parameters():
            if weights.ndim > 1 and "embed" not in name:
                weights.mul_(4)
    model.save_pretrained(folder)
    size = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    CLIPProcessor(CLIPImageProcessorPil(**size), clip_tokenizer()).save_pretrained(folder)
    return folder


def as_pickled(folder: Path, out: Path) -> Path:
    """The checkpoint in the form of OpenAI's own repository: pytorch_model.bin, vocab.json and merges.txt."""
    import torch
    from safetensors.torch import load_file

    out.mkdir()
    torch.save(load_file(folder / "model.safetensors"), out / "pytorch_model.bin")
    shutil.copy(folder / "config.json", out)
    processor = json.loads((folder / "processor_config.json").read_text())["image_processor"]
    (out / "preprocessor_config.json").write_text(json.dumps(processor))
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (out / "vocab.json").write_text(json.dumps(model["vocab"]))
    (out / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in model["merges"]))
    (out / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}))
    return out
