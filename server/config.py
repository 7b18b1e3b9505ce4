"""Settings of the process, from `HERALD_*` environment variables. Read once, by the shell; never at import."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="HERALD_", frozen=True, extra="ignore", populate_by_name=True)

    database_url: str = "sqlite+aiosqlite:///herald.db"
    """`sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE`."""
    embedding_model: str = "multilingual"
    """A profile (`multilingual`, `english`), or the folder or hub name of a sentence-transformers model."""
    cache_dir: Path | None = None
    """Where prepared model weights are kept; the user's cache folder by default."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    public_url: str | None = None
    """Where the outside world reaches this server; `http://HOST:PORT` by default."""
    allowed_hosts: tuple[str, ...] = ()
    """Host headers that `/mcp` accepts besides loopback and the host of `public_url`."""
    panel_origins: tuple[str, ...] = ()
    """Where the Sidekick's panel may be framed and called from, such as `["https://acme.zendesk.com"]`."""
    read_only: bool = False
    """Offer only the MCP tools that change nothing."""
    toolsets: tuple[str, ...] = ()
    """Offer only these groups of MCP tools, such as `["incidents", "components"]`; all by default."""
    requests_per_minute: int = Field(default=600, ge=1)
    """MCP requests of one key."""
    public_requests_per_minute: int = Field(default=60, ge=1)
    """MCP requests of one address at endpoints that tenants opened to anybody."""
    secret_key: SecretStr | None = None
    """Signs links, hashes references and seals passwords. Several, separated by commas: the first one signs,
    the others still verify. Without any, a random key is made once and kept in the database."""
    smtp_url: SecretStr | None = None
    """The mail server for tenants without their own: `smtp://USER:PASSWORD@HOST:PORT?from=status@example.com`.
    `smtps://` is TLS from the start; `smtp://` needs STARTTLS unless `&tls=none` says otherwise."""
    mail_dir: Path | None = None
    """A maildir that mail goes to where there is no mail server."""
    worker: bool = True
    """Whether `herald serve` sends mail itself; false where `herald worker` runs beside it."""

    anthropic_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("HERALD_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY")
    )
    """With a key, Claude reads customers' replies to offers; without one, and whenever it fails, Herald does."""
    anthropic_model: str = "claude-haiku-5-5"
    anthropic_base_url: str | None = None
    """Where the Messages API is, if not at Anthropic."""
    anthropic_seconds: float = Field(default=8, gt=0, le=60)
    """The time that one answer may take, tries and pauses included."""
    consents_per_hour: int = Field(default=300, ge=1)
    """Customers that one key may enrol within an hour."""

    @field_validator("database_url")
    @classmethod
    def _with_async_driver(cls, url: str) -> str:
        """People paste `postgres://…` and `sqlite:///…`; the drivers here are asyncpg and aiosqlite."""
        for short, full in (
            ("postgres://", "postgresql+asyncpg://"),
            ("postgresql://", "postgresql+asyncpg://"),
            ("sqlite://", "sqlite+aiosqlite://"),
        ):
            if url.startswith(short):
                return full + url.removeprefix(short)
        return url

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")
