"""The processor of RecTrio: its image processor and its tokenizer as one."""

from transformers import ProcessorMixin

from .image_processing_rectrio import RecTrioImageProcessor
from .tokenization_rectrio import RecTrioTokenizer


class RecTrioProcessor(ProcessorMixin):
    """`processor(text=[…], images=[…], padding=True, return_tensors="pt")` gives all that RecTrioModel takes."""

    def __init__(self, image_processor: RecTrioImageProcessor, tokenizer: RecTrioTokenizer, **kwargs):
        super().__init__(image_processor, tokenizer, **kwargs)


RecTrioProcessor.register_for_auto_class()
