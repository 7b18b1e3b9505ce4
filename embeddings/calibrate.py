"""Fits a scorer for a model: the means, the fault gate, the title reader and the calibration. Trains no network.

Calibration is fitted on logits of authors whose text the gate has not seen, because a scorer judged on text like
its own is too sure of itself. Backends other than the one it was fitted on get theirs by likeness to that one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.backends import Vectors
from embeddings.encoder import Encoder
from embeddings.labelled import (
    TRAINING_FILES,
    Background,
    Tenant,
    authors,
    read_background,
    read_tenants,
)
from embeddings.logistic import fit_logistic
from embeddings.logits import Logits, fit_calibration, joined, logits_of, transfer
from embeddings.matcher import load_backend, scorer_path
from embeddings.profiles import Profile, fingerprint, prepare, resolve
from embeddings.recipe import incident_text
from embeddings.scorer import Calibration, Head, save_scorer
from embeddings.titles import fit_titles

Log = Callable[[str], None]


def calibrate(name: str, cache_dir: Path, log: Log = print, files: Sequence[Path] = TRAINING_FILES) -> Path:
    """Fit a scorer for a profile, folder or hub name on labelled text; return its file.

    Takes minutes. For the multilingual profile prefer `train`: its adapter has seen that text, so a gate fitted on
    it is too sure of itself.
    """
    profile = resolve(name)
    encoders = {backend: load_encoder(profile, cache_dir, backend) for backend in backends_of(profile)}
    log(f"fitting a scorer for {name} on {', '.join(encoders)}")
    head, calibration = fit(encoders["fp32"], profile, read_tenants(files))
    return save(profile, cache_dir, encoders, head, calibration, log)


def save(
    profile: Profile,
    cache_dir: Path,
    encoders: dict[str, Encoder],
    head: Head,
    calibration: Calibration,
    log: Log = print,
) -> Path:
    """Write the scorer with the title reader and a calibration for each encoder; `calibration` is for fp32."""
    sample = read_tenants(TRAINING_FILES[:1])
    plain = score(head, [embed(encoders["fp32"], profile, tenant) for tenant in sample])
    calibrations = {"fp32": calibration}
    for backend in encoders.keys() - {"fp32"}:
        other = score(head, [embed(encoders[backend], profile, tenant) for tenant in sample])
        calibrations[backend] = transfer(calibration, plain, other)
    for backend, numbers in calibrations.items():
        log(f"{backend}: {numbers}")
    titles = fit_titles(lambda texts: encoders["fp32"].encode(texts, profile.incident_tokens), read_tenants())
    model = fingerprint(profile, prepare(profile, cache_dir, backend="fp32"))
    path = scorer_path(profile, cache_dir)
    save_scorer(path, head, titles, calibrations, model)
    return path


def backends_of(profile: Profile) -> list[str]:
    """The backends that a scorer of this profile is calibrated for."""
    return ["fp32"] if profile.custom else ["fp32", "bf16", "int8"]


def load_encoder(profile: Profile, cache_dir: Path, backend: str) -> Encoder:
    """An encoder that needs no scorer yet."""
    return Encoder(profile, load_backend(profile, prepare(profile, cache_dir, backend=backend), backend))


def fit(encoder: Encoder, profile: Profile, tenants: Sequence[Tenant]) -> tuple[Head, Calibration]:
    """Fit head and calibration for the encoder as it is."""
    background = read_background()
    if profile.english_only:
        background, tenants = background.english(), [tenant.english() for tenant in tenants]
    embedded = [embed(encoder, profile, tenant) for tenant in tenants]
    generic = encoder.encode(background.messages, profile.message_tokens)
    incident_mean = encoder.encode(background.incidents, profile.incident_tokens).mean(axis=0)

    def head_without(author: str | None) -> Head:
        seen = [tenant for tenant in embedded if tenant.tenant.author != author]
        messages = np.concatenate([tenant.messages for tenant in seen])
        faults = np.array([message.fault for tenant in seen for message in tenant.tenant.messages])
        return fit_head(generic, background, incident_mean, messages, faults)

    unseen = [
        score(head_without(author), [tenant for tenant in embedded if tenant.tenant.author == author])
        for author in authors(tenants)
    ]
    return head_without(None), fit_calibration(joined(unseen))


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A tenant beside the raw vectors of its messages and incidents."""

    tenant: Tenant
    messages: Vectors
    incidents: Vectors


def embed(encoder: Encoder, profile: Profile, tenant: Tenant) -> Embedded:
    """The tenant's texts as vectors."""
    messages = [message.text for message in tenant.messages]
    incidents = [incident_text(incident) for incident in tenant.incidents]
    return Embedded(
        tenant,
        encoder.encode(messages, profile.message_tokens),
        encoder.encode(incidents, profile.incident_tokens),
    )


def score(head: Head, tenants: Sequence[Embedded]) -> Logits:
    """Every message of the tenants against its own tenant's incidents."""
    return joined(
        [
            logits_of(
                head.cosines(tenant.messages, head.centre_incidents(tenant.incidents)),
                head.faults(tenant.messages),
                tenant.tenant.messages,
            )
            for tenant in tenants
        ]
    )


def fit_head(
    generic: Vectors, background: Background, incident_mean: Vectors, messages: Vectors, faults: NDArray[np.bool_]
) -> Head:
    """A head for an encoder as it is: means of the generic texts, and a fault gate fitted on all messages."""
    labels = np.concatenate([np.array(background.faults), faults])
    weights, bias = fit_logistic(np.concatenate([generic, messages]), labels)
    return Head(generic.mean(axis=0), incident_mean, weights, bias)
