"""What can go wrong between a text and a probability, each saying what the caller can do."""


class EmbeddingError(Exception):
    """Base of all errors that this package raises on purpose."""


class WeightsUnavailable(EmbeddingError):
    """The model's weights are not installed, or are not the bytes they are pinned to."""


class Overloaded(EmbeddingError):
    """Too many messages are waiting. `retry_after` says in how many seconds there should be room."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"too many messages are waiting to be read: try again in {retry_after:.0f} s")
        self.retry_after = retry_after


class ScorerMismatch(EmbeddingError):
    """There are no scorer parameters for this model, or they were fitted for another one."""
