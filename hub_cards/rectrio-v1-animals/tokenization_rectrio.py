"""The tokenizer of RecTrio: byte-level subwords, so that no word is unknown, however it is spelt."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import TokenizersBackend

PAD, START = "<pad>", "<s>"


class RecTrioTokenizer(TokenizersBackend):
    """Byte-pair encoding over bytes, without case and accents. Every text begins with `<s>`, so that an empty one
    has a token too; padding goes to the right."""

    vocab_files_names = {"tokenizer_file": "tokenizer.json"}
    model_input_names = ["input_ids", "attention_mask"]
    padding_side = "right"

    @classmethod
    def trained_on(cls, texts: Iterable[str], *, vocab_size: int, max_tokens: int) -> "RecTrioTokenizer":
        """Learn at most `vocab_size` subwords from texts; texts over `max_tokens` tokens are cut when asked to."""
        backend = Tokenizer(models.BPE())
        backend.normalizer = normalizers.Sequence(
            [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
        )
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        backend.decoder = decoders.ByteLevel()
        backend.train_from_iterator(
            texts,
            trainers.BpeTrainer(
                vocab_size=vocab_size,
                min_frequency=2,
                special_tokens=[PAD, START],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            ),
        )
        backend.post_processor = processors.TemplateProcessing(
            single=f"{START} $A", special_tokens=[(START, backend.token_to_id(START))]
        )
        return cls(tokenizer_object=backend, pad_token=PAD, bos_token=START, model_max_length=max_tokens)


RecTrioTokenizer.register_for_auto_class("AutoTokenizer")
