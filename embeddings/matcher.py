"""The one object that the server uses: a model with its encoder and the scorer that was fitted for it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embeddings.backends import AnyModelBackend, Backend, OnnxBackend, TorchBackend, Vectors
from embeddings.encoder import Encoder
from embeddings.explain import Explanation, PartShare, WordShare, parts_of, shares, without, word_spans
from embeddings.profiles import Profile, Progress, choose_backend, fingerprint, prepare, resolve
from embeddings.recipe import IncidentText, clean, incident_text
from embeddings.scorer import Probabilities, Scorer, load_scorer
from embeddings.titles import TitleAssessment

__all__ = ["Explanation", "IncidentText", "Matcher", "PartShare", "TitleAssessment", "WordShare"]

CALIBRATIONS = Path(__file__).parent / "calibration"


class Matcher:
    """Synchronous and thread-safe. Message vectors and incident vectors are not interchangeable."""

    def __init__(self, profile: Profile, backend: str, fingerprint: str, encoder: Encoder, scorer: Scorer) -> None:
        self.profile = profile
        self.backend = backend
        self.fingerprint = fingerprint
        self.encoder = encoder
        self.scorer = scorer

    @classmethod
    def load(
        cls, name: str, cache_dir: Path, progress: Progress | None = None, backend: str = "auto"
    ) -> "Matcher":
        """Prepare the model if need be, and load it with its scorer. Takes seconds.

        `name` is a profile, a sentence-transformers folder or a hub name; `backend` is auto, int8, bf16 or fp32.
        Raises `WeightsUnavailable`, or `ScorerMismatch` when the scorer was fitted for another model.
        """
        profile = resolve(name)
        backend = choose_backend(profile, backend)
        folder = prepare(profile, cache_dir, progress, backend)
        model = fingerprint(profile, folder)
        scorer = load_scorer(scorer_path(profile, cache_dir), model, backend, name)
        return cls(profile, backend, model, Encoder(profile, load_backend(profile, folder, backend)), scorer)

    def embed_incidents(self, incidents: Sequence[IncidentText]) -> Vectors:
        """Vectors (n, d) for `probabilities`: keep them, and embed again only what has changed."""
        texts = [incident_text(incident) for incident in incidents]
        return self.scorer.head.centre_incidents(self.encoder.encode(texts, self.profile.incident_tokens))

    def embed_messages(self, messages: Sequence[str]) -> Vectors:
        """Vectors (m, d) for `probabilities`; any string is accepted, one with nothing to read matches nothing."""
        return self.encoder.encode(messages, self.profile.message_tokens)

    def recall_messages(self, messages: Sequence[str]) -> Vectors | None:
        """As `embed_messages` if it needs no network, because all are remembered or empty; else None."""
        return self.encoder.recall(messages, self.profile.message_tokens)

    def probabilities(self, messages: Vectors, incidents: Vectors) -> Probabilities:
        """(m, n): how likely each message is about each incident; a row's sum is at most 1, the rest is "none"."""
        return self.scorer.probabilities(messages, incidents)

    def score(self, messages: Sequence[str], incidents: Vectors) -> Probabilities:
        """As `probabilities`, from the messages' texts."""
        return self.probabilities(self.embed_messages(messages), incidents)

    def explain(self, message: str, incident: IncidentText) -> Explanation:
        """Which words of the message and which part of the incident speak for a match.

        Costs a run of the network per word, so it is for when somebody asks.
        """
        text = clean(message, self.profile.message_tokens)
        spans, parts = word_spans(text), parts_of(incident)
        messages = self.embed_messages([text, *(without(text, span) for span in spans)])
        whole, *occluded = self.scorer.head.cosines(messages, self.embed_incidents([incident]))[:, 0]
        lost = shares(whole - np.array(occluded))
        alone = self.encoder.encode([part for _, part in parts], self.profile.incident_tokens)
        near = shares(self.scorer.head.cosines(messages[:1], self.scorer.head.centre_incidents(alone))[0])
        return Explanation(
            text=text,
            words=tuple(WordShare(text[a:b], a, b, share) for (a, b), share in zip(spans, lost, strict=True)),
            parts=tuple(PartShare(part, words, share) for (part, words), share in zip(parts, near, strict=True)),
        )

    def assess_title(self, title: str, components: Sequence[str] = ()) -> TitleAssessment:
        """Whether a draft title says enough to be matched, and what it lacks."""
        [vector] = self.encoder.encode([title], self.profile.incident_tokens)
        return self.scorer.titles.assess(vector, has_components=bool(components))

    def warm_up(self) -> None:
        """Run the network once, so that the first customer does not wait for it."""
        self.encoder.encode(["Is something broken?"], self.profile.message_tokens)


def scorer_path(profile: Profile, cache_dir: Path) -> Path:
    """Where a profile's scorer is: in the package for ours, else where `herald calibrate` puts it."""
    if not profile.custom:
        return CALIBRATIONS / f"{profile.name}.safetensors"
    plain = "".join(letter if letter.isalnum() else "_" for letter in profile.name.strip("/"))
    return cache_dir / "calibration" / f"{plain}.safetensors"


def load_backend(profile: Profile, folder: Path, backend: str) -> Backend:
    """The named backend over the folder that was prepared for it."""
    if profile.custom:
        return AnyModelBackend(folder)
    return OnnxBackend(folder) if backend == "int8" else TorchBackend(folder, bfloat16=backend == "bf16")
