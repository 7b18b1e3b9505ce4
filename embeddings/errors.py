"""What can go wrong between a text and a probability, each saying what the caller can do."""


class EmbeddingError(Exception):
    """Base of all errors that this package raises on purpose."""


class WeightsUnavailable(EmbeddingError):
    """The model's weights are not installed, or are not the bytes they are pinned to."""


class ScorerMismatch(EmbeddingError):
    """There are no scorer parameters for this model, or they were fitted for another one."""
