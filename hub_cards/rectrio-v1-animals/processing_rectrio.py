"""The processor of RecTrio: its image processor and its tokenizer as one."""

from transformers import ProcessorMixin


class RecTrioProcessor(ProcessorMixin):
    """`processor(text=[…], images=[…], padding=True, return_tensors="pt")` gives all that RecTrioModel takes.

    image_processor: a RecTrioImageProcessor; tokenizer: a RecTrioTokenizer. They are not imported here: code that is
    fetched with a model may import its siblings, but not theirs.
    """

    def __init__(self, image_processor, tokenizer, **kwargs):
        super().__init__(image_processor, tokenizer, **kwargs)


RecTrioProcessor.register_for_auto_class()
