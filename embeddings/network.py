"""The network while it is trained: a BERT encoder with low-rank adapters, and the scorer's formula on top of it.

Imports torch at the top, so import it only inside the functions that train.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from embeddings.backends import load_tokenizer, micro_batches
from embeddings.build import LORA_SCALE
from embeddings.scorer import Calibration, Head

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ADAPTED = ("attention.self.query", "attention.self.value", "intermediate.dense", "output.dense")
PADDING = -30.0  # a match logit that stands for "no such incident"


class LowRank(nn.Module):
    """A frozen linear layer plus a trained product of two thin matrices (LoRA, arXiv:2106.09685)."""

    def __init__(self, base: nn.Linear, rank: int, dropout: float = 0.05) -> None:
        super().__init__()
        self.base = base
        self.dropout = nn.Dropout(dropout)
        self.A = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = (self.dropout(x) @ self.A.T) @ self.B.T
        frozen: Tensor = self.base(x)
        return frozen + LORA_SCALE * change


def adapted(folder: Path, layers: Sequence[str], rank: int) -> BertModel:
    """The frozen encoder with a low-rank pair beside each of these linear layers, which alone are trained."""
    bert = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="sdpa")
    bert.requires_grad_(False)
    for layer in bert.encoder.layer:
        for name in layers:
            parent, _, attribute = name.rpartition(".")
            place = layer.get_submodule(parent)
            setattr(place, attribute, LowRank(getattr(place, attribute), rank))
    return bert


def unit_vectors(bert: BertModel, tokenizer: "Tokenizer", texts: list[str], max_tokens: int) -> Tensor:
    """One row per text, in order: the mean of its tokens, computed in bfloat16 and brought to length one."""
    rows: list[int] = []
    parts = []
    for numbers, ids, mask in micro_batches(tokenizer, texts, max_tokens):
        attended = torch.from_numpy(mask)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = bert(input_ids=torch.from_numpy(ids), attention_mask=attended).last_hidden_state
        weight = attended.unsqueeze(-1).float()
        parts.append(functional.normalize((hidden.float() * weight).sum(1) / weight.sum(1), dim=1))
        rows += numbers
    return torch.cat(parts)[torch.argsort(torch.tensor(rows))]


class Network(nn.Module):
    """Encoder and head, trained end to end with exactly the formula that scores later."""

    def __init__(self, folder: Path, rank: int, prefix: str) -> None:
        super().__init__()
        self.tokenizer = load_tokenizer(folder)
        self.prefix = prefix
        self.bert = adapted(folder, ADAPTED, rank)

    def start_from(self, head: Head, calibration: Calibration) -> None:
        """Take the head as the starting point of training; calibration becomes part of it."""
        self.message_mean = nn.Parameter(torch.from_numpy(head.message_mean.copy()))
        self.incident_mean = nn.Parameter(torch.from_numpy(head.incident_mean.copy()))
        self.fault_weights = nn.Parameter(torch.from_numpy(head.fault_weights * calibration.gate_scale))
        bias = calibration.gate_scale * head.fault_bias + calibration.gate_shift
        self.fault_bias = nn.Parameter(torch.tensor([bias], dtype=torch.float32))
        self.log_scale = nn.Parameter(torch.tensor([np.log(calibration.match_scale)], dtype=torch.float32))
        self.match_shift = nn.Parameter(torch.tensor([calibration.match_shift], dtype=torch.float32))

    def embed(self, texts: Sequence[str], max_tokens: int) -> Tensor:
        """Unit vectors, in order, computed in bfloat16."""
        return unit_vectors(self.bert, self.tokenizer, [self.prefix + text for text in texts], max_tokens)

    def match(self, messages: Tensor, incidents: Tensor) -> Tensor:
        """Match logits (messages, incidents)."""
        centred = functional.normalize(messages - self.message_mean, dim=1)
        cosines = centred @ functional.normalize(incidents - self.incident_mean, dim=1).T
        return self.log_scale.exp() * cosines + self.match_shift

    def gate(self, messages: Tensor) -> Tensor:
        """Fault logits (messages,)."""
        return messages @ self.fault_weights + self.fault_bias

    def low_rank(self) -> list[nn.Parameter]:
        """The parameters of the adapter."""
        return [value for name, value in self.bert.named_parameters() if name.endswith((".A", ".B"))]

    def adapter(self) -> dict[str, Tensor]:
        """The trained pairs, named after the weights of a plain BERT that they change."""
        trained = self.bert.named_parameters()
        return {name: value.detach().half().contiguous() for name, value in trained if name.endswith((".A", ".B"))}

    def head(self) -> Head:
        """The trained head; its calibration is `calibration()`."""
        return Head(
            message_mean=self.message_mean.detach().numpy(),
            incident_mean=self.incident_mean.detach().numpy(),
            fault_weights=self.fault_weights.detach().numpy(),
            fault_bias=self.fault_bias.item(),
        )

    def calibration(self) -> Calibration:
        """The scale and shift that the network was trained with."""
        return Calibration(self.log_scale.exp().item(), self.match_shift.item())


def loss(match: Tensor, gate: Tensor, answers: Tensor, unposted_weight: float) -> Tensor:
    """Surprise at the labels, per message; each positive also counts as a negative without its own incident."""
    open_gate = functional.logsigmoid(gate)
    nothing = torch.zeros(len(match))
    about = match - torch.logaddexp(nothing, torch.logsumexp(match, 1))[:, None] + open_gate[:, None]
    positive = torch.where(answers >= 0)[0]
    unposted = match.clone()
    unposted[positive, answers[positive]] = PADDING
    right = about[positive, answers[positive]].sum()
    rejected = _log_none(match, open_gate)[answers < 0].sum()
    rejected_too = _log_none(unposted[positive], open_gate[positive]).sum()
    return -(right + rejected + unposted_weight * rejected_too) / (len(answers) + unposted_weight * len(positive))


def _log_none(match: Tensor, open_gate: Tensor) -> Tensor:
    something = functional.logsigmoid(torch.logsumexp(match, 1)) + open_gate
    return torch.log1p(-something.exp().clamp(max=1 - 1e-4))
