"""What an edit changed, shown as people correct on paper: words struck out, words put in."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import pairwise

from markupsafe import Markup

from server.models import Model, Revision, Update, UpdateContent, Utc


class Change(Model):
    """From one version of an update to the next."""

    at: Utc
    before: UpdateContent
    after: UpdateContent

    @property
    def marked_message(self) -> Markup:
        return marked(self.before.message or "", self.after.message or "")

    @property
    def marked_title(self) -> Markup:
        return marked(self.before.title or "", self.after.title or "")


def changes_of(update: Update, replaced: tuple[Revision, ...] | list[Revision]) -> list[Change]:
    """Every edit of the update, the newest first."""
    versions = [*(revision.content for revision in replaced), update.content]
    steps = zip(replaced, pairwise(versions), strict=True)
    return [Change(at=old.replaced_at, before=before, after=after) for old, (before, after) in steps][::-1]


def marked(before: str, after: str) -> Markup:
    """Both texts as one, with `<del>` and `<ins>` around the words that differ."""
    old, new = _words(before), _words(after)
    parts = []
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, came = "".join(old[old_from:old_to]), "".join(new[new_from:new_to])
        if kind == "equal":
            parts.append(Markup("{}").format(gone))
            continue
        parts += [Markup("<del>{}</del>").format(gone)] if gone else []
        parts += [Markup("<ins>{}</ins>").format(came)] if came else []
    return Markup("").join(parts)


def _words(text: str) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text)
