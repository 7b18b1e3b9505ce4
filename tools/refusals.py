"""How a refusal reads: our own in full, with what to do next; anything unexpected without its text."""

from __future__ import annotations

from pydantic import ValidationError

from server.errors import HeraldError, Unavailable


def refusal(name: str, cause: BaseException | None) -> str | None:
    """What the model is told of a refusal of ours; None of anything else."""
    if isinstance(cause, ValidationError):
        return f"Invalid arguments for {name}: {_validation_text(cause)}"
    if isinstance(cause, Unavailable):
        return f"{cause} (try again in {cause.retry_after:.0f} s)"
    if isinstance(cause, HeraldError):
        return str(cause)
    return None


def _validation_text(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {_said(problem['type'], problem['msg'])}"
        for problem in problems
    )


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such argument, see the tool's schema"
    return message.removeprefix("Value error, ")
