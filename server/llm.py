"""The one door to Anthropic: a short structured answer within a time budget, or `NoAnswer` and why.

The library is imported by the first question, so that an installation without a key never pays for it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from server.config import Settings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

RETRIES = 1

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=BaseModel)


class NoAnswer(Exception):
    """There is no usable answer in time. `str(error)` names the kind of failure, never what was asked."""


class Claude:
    """Asks one model. Opens no connection before the first question."""

    def __init__(self, key: SecretStr, model: str, seconds: float, base_url: str | None = None) -> None:
        self.model = model
        self._key = key
        self._seconds = seconds
        self._base_url = base_url
        self._client: AsyncAnthropic | None = None

    @classmethod
    def of(cls, settings: Settings) -> Claude | None:
        """None without a key."""
        key = settings.anthropic_api_key
        if key is None or not key.get_secret_value():
            return None
        return cls(key, settings.anthropic_model, settings.anthropic_seconds, settings.anthropic_base_url)

    async def ask(self, system: str, question: str, answer: type[Answer], max_tokens: int = 300) -> Answer:
        """An answer of that shape within the time budget, tries and pauses included. Raises NoAnswer."""
        client = self._client or self._open()
        from anthropic import AnthropicError

        try:
            async with asyncio.timeout(self._seconds):
                message = await client.messages.parse(
                    model=self.model,
                    max_tokens=max_tokens,
                    system=system,
                    messages=[{"role": "user", "content": question}],
                    output_format=answer,
                )
        except TimeoutError as error:
            raise NoAnswer("no answer in time") from error
        except ValidationError as error:  # cut off at max_tokens, or not of the shape that was asked for
            raise NoAnswer("an answer that cannot be read") from error
        except (AnthropicError, ValueError) as error:
            raise NoAnswer(type(error).__name__) from error
        if message.stop_reason != "end_turn" or message.parsed_output is None:
            raise NoAnswer(f"stopped by {message.stop_reason}")
        return message.parsed_output

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _open(self) -> AsyncAnthropic:
        from anthropic import AsyncAnthropic

        self._client = AsyncAnthropic(
            api_key=self._key.get_secret_value(),
            base_url=self._base_url,
            timeout=self._seconds / (RETRIES + 1),
            max_retries=RETRIES,
        )
        return self._client
