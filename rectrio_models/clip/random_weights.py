"""A CLIP of full size with random weights, to measure speed and memory where the real weights are not to be had:
neither depends on the values. Its embeddings mean nothing."""

import gzip
import importlib.util
from pathlib import Path

from rectrio_models.cache import cache_root, one_at_a_time, whole_folder
from rectrio_models.clip.export import quiet
from rectrio_models.errors import ModelError


def random_clip() -> Path:
    """A checkpoint folder of ViT-B/32's size in the cache, written first where it is not there yet."""
    out = cache_root() / "clip-vit-b-32-random-weights"
    with one_at_a_time(out):
        if not out.is_dir():
            tokenizer = clip_tokenizer()
            with whole_folder(out) as draft, quiet():
                import torch
                from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

                torch.manual_seed(0)
                CLIPModel(CLIPConfig()).save_pretrained(draft)  # the defaults are ViT-B/32's
                CLIPProcessor(CLIPImageProcessorPil(), tokenizer).save_pretrained(draft)
    return out


def clip_tokenizer():
    """CLIP's tokenizer, from the merges that open_clip carries; raises ModelError where that is not installed."""
    found = importlib.util.find_spec("open_clip")
    if found is None:
        raise ModelError("CLIP's vocabulary is taken from open_clip, which is not here: pip install open_clip_torch")
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    merges_file = Path(found.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(merges_file.read_bytes()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]  # 49,408 tokens in all
    symbols = list(bytes_to_unicode().values())
    words = [*symbols, *(symbol + "</w>" for symbol in symbols), *("".join(merge) for merge in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
