"""The ways in which an operation can say no. Each face maps these kinds once; the text says what to do next."""


class HeraldError(Exception):
    """Base of every refusal. `str(error)` is safe to show to the caller."""


class NotFound(HeraldError):
    """There is no such thing for this tenant (nor is it said whether another tenant has it)."""


class Invalid(HeraldError):
    """The request itself is wrong; the same request will be refused again."""


class Refused(HeraldError):
    """The request is well formed, but the rules or the caller's scopes do not allow it."""


class Conflict(HeraldError):
    """Something else happened first. `current_version` is what the caller should have expected, if known."""

    def __init__(self, message: str, current_version: int | None = None) -> None:
        super().__init__(message)
        self.current_version = current_version


class Unavailable(HeraldError):
    """A part that is needed (database, model, mail) cannot answer now; the same request may succeed later."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
