"""Is a draft title specific enough to be matched, and if not, what does it lack?

Customers find an incident by what fails and how that shows. Two directions in the space of vectors tell whether a
title says so, in any language the model knows. They are fitted on the titles of the training text, against phrases
that say only one of the two; those show the model what is meant and are not looked up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

import numpy as np

from embeddings.backends import Vectors
from embeddings.labelled import TRAINING, Tenant, read_lines
from embeddings.logistic import fit_logistic

Lack = Literal["what fails", "where", "how it shows"]
Encode = Callable[[Sequence[str]], Vectors]

ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class TitleAssessment:
    """`lacks` is empty for a title that is specific enough; `says_what` and `says_how` are between 0 and 1."""

    specific: bool
    lacks: tuple[Lack, ...]
    says_what: float
    says_how: float


@dataclass(frozen=True, slots=True, eq=False)
class TitleReader:
    """The two fitted directions: weights (2, d), biases (2,); first "what fails", then "how it shows"."""

    weights: Vectors
    biases: Vectors

    def assess(self, title: Vectors, has_components: bool) -> TitleAssessment:
        """Judge the vector of a title. Where it is, tagged components say; without them, the title should."""
        what, how = (float(1 / (1 + np.exp(-score))) for score in self.weights @ title + self.biases)
        lacks: list[Lack] = []
        if what < ENOUGH:
            lacks.append("what fails")
        if not has_components:
            lacks.append("where")
        if how < ENOUGH:
            lacks.append("how it shows")
        return TitleAssessment(specific=min(what, how) >= ENOUGH, lacks=tuple(lacks), says_what=what, says_how=how)


def fit_titles(encode: Encode, tenants: Sequence[Tenant]) -> TitleReader:
    """Fit the two directions for an encoder."""
    incidents = [incident for tenant in tenants for incident in tenant.incidents]
    names = sorted({incident.components[0] for incident in incidents if incident.components})
    phrases = cycle(read_lines(TRAINING / "titles_without_sign.txt"))
    said = encode([incident.title for incident in incidents])
    named_only = encode([next(phrases).format(name) for name in names])
    shown_only = encode(read_lines(TRAINING / "titles_without_name.txt"))
    what = _direction(np.concatenate([said, named_only]), shown_only)
    how = _direction(said, np.concatenate([named_only, shown_only]))
    return TitleReader(np.stack([what[0], how[0]]), np.array([what[1], how[1]], np.float32))


def _direction(yes: Vectors, no: Vectors) -> tuple[Vectors, float]:
    """Balanced: the phrases that say nothing are few, and count as much as the titles that say something."""
    repeated = np.repeat(no, max(1, len(yes) // len(no)), axis=0)
    labels = np.arange(len(yes) + len(repeated)) < len(yes)
    return fit_logistic(np.concatenate([yes, repeated]), labels)
