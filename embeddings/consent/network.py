"""The network that reads replies while it is trained: the encoder with low-rank pairs, and a head of three.

Imports torch at the top, so import it only inside the functions that train.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from embeddings.backends import load_tokenizer
from embeddings.network import adapted, unit_vectors

LAYERS = (
    *("attention.self.query", "attention.self.key", "attention.self.value"),
    *("attention.output.dense", "intermediate.dense", "output.dense"),
)
LENGTH = 4.86  # of the mean of the encoder's token vectors; the head is saved for vectors of length one


class ReplyNetwork(nn.Module):
    """Logits of no, unclear and yes."""

    def __init__(self, folder: Path, rank: int) -> None:
        super().__init__()
        self.tokenizer = load_tokenizer(folder)
        self.bert = adapted(folder, LAYERS, rank)
        self.head = nn.Linear(self.bert.config.hidden_size, 3)

    def logits(self, texts: Sequence[str], max_tokens: int) -> Tensor:
        """One row per text, in order."""
        logits: Tensor = self.head(unit_vectors(self.bert, self.tokenizer, list(texts), max_tokens) * LENGTH)
        return logits

    def low_rank(self) -> list[nn.Parameter]:
        """The parameters of the adapter."""
        return [value for value in self.bert.parameters() if value.requires_grad]

    def saved(self) -> dict[str, Tensor]:
        """The pairs under the names of the weights that they change, and the head for vectors of length one."""
        pairs = {n: value for n, value in self.bert.named_parameters() if n.endswith((".A", ".B"))}
        found = {**pairs, "head.weight": self.head.weight * LENGTH, "head.bias": self.head.bias}
        return {name: value.detach().half().contiguous() for name, value in found.items()}
