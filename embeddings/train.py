"""Trains the adapter and the head that come with the default profile, from labelled text.

LoRA on the encoder, one tenant per step, the scorer's own formula as the loss. Reproducible on one machine for a
given seed; bfloat16 kernels differ a little between machines.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embeddings.calibrate import Log, backends_of, fit_head, load_encoder, save
from embeddings.evaluation import Judged, report
from embeddings.labelled import (
    NOTHING,
    TRAINING_FILES,
    Background,
    Message,
    Tenant,
    authors,
    read_background,
    read_tenants,
)
from embeddings.logits import Logits, fit_calibration, joined, logits_of
from embeddings.profiles import ADAPTERS, MULTILINGUAL, Profile, prepare
from embeddings.recipe import IncidentText, incident_text
from embeddings.scorer import Calibration, Head, product

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import AdamW

    from embeddings.network import Network


Report = dict[str, dict[str, Any]]
"""By author, the figures of `evaluation.report`."""

FOLDS = 4
HIDDEN = 100.0  # a match logit this far below 0 stands for "no such incident"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run can be told. One tenant is one step."""

    epochs: int = 4
    rank: int = 8
    learning_rate: float = 5e-4
    unposted_weight: float = 0.7
    gate_weight: float = 0.3
    noise: float = 0.15
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained adapter with its head, and the network to go on scoring with."""

    network: "Network"
    profile: Profile

    @property
    def head(self) -> Head:
        """The head that was trained with the adapter."""
        return self.network.head()

    @property
    def calibration(self) -> Calibration:
        """The scale and shift as trained, before any calibration on unseen authors."""
        return self.network.calibration()

    def save_adapter(self, path: Path) -> None:
        """Write the adapter, about 1 MB."""
        from safetensors.torch import save_file

        partial = path.with_suffix(".partial")
        save_file(self.network.adapter(), partial)
        partial.replace(path)

    def logits(self, tenants: Sequence[Tenant]) -> Logits:
        """Uncalibrated scores of every message against its tenant's incidents."""
        return joined([self._logits(tenant) for tenant in tenants])

    def _logits(self, tenant: Tenant) -> Logits:
        import torch

        with torch.inference_mode():
            self.network.eval()
            messages = self.network.embed([m.text for m in tenant.messages], self.profile.message_tokens)
            incidents = self.network.embed(texts_of(tenant), self.profile.incident_tokens)
        head = self.head
        cosines = head.cosines(messages.numpy(), head.centre_incidents(incidents.numpy()))
        return logits_of(cosines, head.faults(messages.numpy()), tenant.messages)


def train(tenants: Sequence[Tenant], cache_dir: Path, recipe: Recipe, log: Log) -> Trained:
    """Train on the tenants; `log` is told a line per epoch. About 15 minutes for 5,000 messages on two cores."""
    import torch

    from embeddings.network import Network

    torch.manual_seed(recipe.seed)
    profile = replace(MULTILINGUAL, adapter=None)
    network = Network(prepare(profile, cache_dir, backend="fp32"), recipe.rank, profile.prefix)
    trained = Trained(network, profile)
    background = read_background()
    network.start_from(*_starting_head(network, profile, tenants, background))
    _run(trained, tenants, background, recipe, log)
    return trained


def train_match(
    cache_dir: Path, recipe: Recipe, log: Log = print, files: Sequence[Path] = TRAINING_FILES
) -> Report:
    """Train, calibrate and save the multilingual profile's adapter and scorer; report on authors left out.

    Five trainings, well under 90 minutes on two free cores. What is reported and calibrated on comes from networks
    that saw no text of the author in question.
    """
    tenants = read_tenants(files)
    unseen = leave_authors_out(tenants, cache_dir, recipe, log)
    log("training on all authors")
    trained = train(tenants, cache_dir, recipe, log)
    trained.save_adapter(ADAPTERS / f"{MULTILINGUAL.name}.safetensors")
    encoders = {backend: load_encoder(MULTILINGUAL, cache_dir, backend) for backend in backends_of(MULTILINGUAL)}
    calibration = fit_calibration(joined(list(unseen.values())))
    save(MULTILINGUAL, cache_dir, encoders, trained.head, calibration, log)
    return report_unseen(tenants, unseen)


def leave_authors_out(
    tenants: Sequence[Tenant], cache_dir: Path, recipe: Recipe, log: Log = print, folds: int = FOLDS
) -> dict[str, Logits]:
    """Each author's logits from a network that saw none of that author's text, nor of its fold's other authors."""
    unseen = {}
    everyone = authors(tenants)
    for fold in range(folds):
        left_out = everyone[fold::folds]
        log(f"training without {', '.join(left_out)}")
        trained = train([tenant for tenant in tenants if tenant.author not in left_out], cache_dir, recipe, log)
        for author in left_out:
            unseen[author] = trained.logits([tenant for tenant in tenants if tenant.author == author])
    return unseen


def report_unseen(tenants: Sequence[Tenant], unseen: dict[str, Logits]) -> Report:
    """The figures of `evaluation.report` for each author, calibrated on the other authors."""
    found = {}
    for author, own in unseen.items():
        calibration = fit_calibration(joined([logits for other, logits in unseen.items() if other != author]))
        messages = [m for tenant in tenants if tenant.author == author for m in tenant.messages]
        found[author] = report(judge_logits(own, calibration, messages))
    return found


def judge_logits(data: Logits, calibration: Calibration, messages: Sequence[Message]) -> Judged:
    """Score logits as a scorer with that calibration would; `messages` in the same order."""
    match = np.maximum(calibration.match_scale * data.cosines, -HIDDEN) + calibration.match_shift
    gate = calibration.gate_scale * data.faults + calibration.gate_shift
    positive = data.answers != NOTHING
    unposted = match.copy()
    unposted[positive, data.answers[positive]] = -HIDDEN
    scores = product(match, gate)
    return Judged(
        top=scores.max(axis=1),
        right=scores.argmax(axis=1) == data.answers,
        positive=positive,
        unposted=np.where(positive, product(unposted, gate).max(axis=1), np.nan),
        languages=np.array([message.language for message in messages]),
        kinds=np.array([message.kind for message in messages]),
    )


def texts_of(tenant: Tenant) -> list[str]:
    """One text per incident."""
    return [incident_text(incident) for incident in tenant.incidents]


def answers(tenant: Tenant) -> NDArray[np.int64]:
    """The position of each message's incident, or -1."""
    return np.array([message.answer for message in tenant.messages], np.int64)


def _run(trained: Trained, tenants: Sequence[Tenant], background: Background, recipe: Recipe, log: Log) -> None:
    import torch

    network, chance = trained.network, random.Random(recipe.seed)  # noqa: S311
    optimizer, steps = _optimizer(network, recipe), recipe.epochs * len(tenants)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _warm_up_and_decay(step, steps))
    started = time.monotonic()
    for epoch in range(recipe.epochs):
        network.train()
        total = 0.0
        for tenant in chance.sample(tenants, len(tenants)):
            surprise = _surprise(trained, tenant, background, recipe, chance)
            optimizer.zero_grad()
            surprise.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.low_rank(), 1.0)
            optimizer.step()
            schedule.step()
            total += surprise.item()
        log(f"epoch {epoch + 1}: loss {total / len(tenants):.3f} after {time.monotonic() - started:.0f} s")


def _surprise(
    trained: Trained, tenant: Tenant, background: Background, recipe: Recipe, chance: random.Random
) -> "Tensor":
    """The loss of one step: a tenant's messages, and a few generic ones that train the gate alone."""
    import torch

    from embeddings.network import loss

    network, profile, own = trained.network, trained.profile, len(tenant.messages)
    generic = chance.sample(range(len(background.messages)), 6)
    texts = [_noisy(m.text, recipe.noise, chance) for m in tenant.messages]
    vectors = network.embed([*texts, *(background.messages[row] for row in generic)], profile.message_tokens)
    incidents = [_sometimes_without_updates(i, recipe.noise, chance) for i in tenant.incidents]
    match = network.match(vectors[:own], network.embed(incidents, profile.incident_tokens))
    gate = network.gate(vectors)
    faults = [*(m.fault for m in tenant.messages), *(background.faults[row] for row in generic)]
    gate_loss = torch.nn.functional.binary_cross_entropy_with_logits(gate, torch.tensor(faults).float())
    matched = loss(match, gate[:own], torch.from_numpy(answers(tenant)), recipe.unposted_weight)
    return matched + recipe.gate_weight * gate_loss


def _optimizer(network: "Network", recipe: Recipe) -> "AdamW":
    import torch

    numbers = [network.fault_bias, network.log_scale, network.match_shift]
    groups = [
        {"params": network.low_rank(), "lr": recipe.learning_rate, "weight_decay": 0.01},
        {"params": [network.fault_weights], "lr": 9e-3, "weight_decay": 1e-3},
        {"params": numbers, "lr": 9e-3, "weight_decay": 0.0},
        {"params": [network.message_mean, network.incident_mean], "lr": 3e-4, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def _warm_up_and_decay(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / (0.08 * steps)) * (1 - step / steps)


def _starting_head(
    network: "Network", profile: Profile, tenants: Sequence[Tenant], background: Background
) -> tuple[Head, Calibration]:
    import torch

    def encode(texts: Sequence[str], max_tokens: int) -> NDArray[np.float32]:
        with torch.inference_mode():
            return network.embed(texts, max_tokens).numpy().copy()

    network.eval()
    messages = encode([m.text for tenant in tenants for m in tenant.messages], profile.message_tokens)
    faults = np.array([m.fault for tenant in tenants for m in tenant.messages])
    generic = encode(background.messages, profile.message_tokens)
    incident_mean = encode(background.incidents, profile.incident_tokens).mean(axis=0)
    head = fit_head(generic, background, incident_mean, messages, faults)
    return head, Calibration(match_scale=22.0, match_shift=-3.5, gate_scale=1.5, gate_shift=0.3)


def _sometimes_without_updates(incident: IncidentText, share: float, chance: random.Random) -> str:
    return incident_text(replace(incident, updates=()) if chance.random() < share else incident)


def _noisy(text: str, share: float, chance: random.Random) -> str:
    """The text, at times without capitals and punctuation, at times with slips of the finger."""
    if chance.random() < share:
        text = "".join(letter for letter in text.lower() if letter not in ".!?,¿¡'’")
    return _mistyped(text, chance) if chance.random() < share and len(text) > 15 else text


def _mistyped(text: str, chance: random.Random) -> str:
    letters = list(text)
    for _ in range(max(1, len(letters) // 18)):
        place = chance.randrange(len(letters) - 1)
        if not (letters[place].isalpha() and letters[place + 1].isalpha()):
            continue
        slip = chance.random()
        if slip < 0.4:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        elif slip < 0.7:
            del letters[place]
        else:
            letters.insert(place, letters[place])
    return "".join(letters)
