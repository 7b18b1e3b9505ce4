"""E-mail addresses as people type them: checked, written in one way, and compared without regard to case."""

from __future__ import annotations

from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from server.errors import Invalid

MAX_LENGTH = 254


@dataclass(frozen=True)
class Address:
    text: str
    """As it is written to: the domain in lower case and in ASCII (IDNA)."""
    key: str
    """As it is compared. Whoever minds the case of the part before the @ is nobody that we know of."""


def read_address(typed: str) -> Address:
    """Raises Invalid, saying what is wrong with it. No network is asked."""
    try:
        found = validate_email(
            typed.strip()[: MAX_LENGTH + 1],
            check_deliverability=False,
            allow_smtputf8=False,
            strict=True,
        )
    except EmailNotValidError as error:
        raise Invalid(f"this is not an e-mail address that mail can be sent to: {error}") from error
    text = f"{found.local_part}@{found.ascii_domain}"
    return Address(text, text.lower())
