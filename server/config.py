"""Settings of the process, from `HERALD_*` environment variables. Read once, by the shell; never at import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, AnyHttpUrl, BeforeValidator, Field, SecretStr, TypeAdapter, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOOPBACK = ("127.0.0.1", "localhost", "::1")
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - recognised, not listened on


def _listed(value: object) -> object:
    """`a,b` as people write it in an environment variable, or a JSON list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return TypeAdapter(tuple[str, ...]).validate_json(value)
    return tuple(part.strip() for part in value.split(",") if part.strip())


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


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
    allowed_hosts: Listed = ()
    """Host headers that `/mcp` accepts besides loopback and the host of `public_url`."""
    panel_origins: Listed = ()
    """Where the Sidekick's panel may be framed and called from, such as `https://acme.zendesk.com`."""
    read_only: bool = False
    """Offer only the MCP tools that change nothing."""
    toolsets: Listed = ()
    """Offer only these groups of MCP tools, such as `incidents,components`; all by default."""
    requests_per_minute: int = Field(default=600, ge=1)
    """MCP requests of one key; and as many calls of the Sidekick and of reports. Agents at a panel count alone."""
    public_requests_per_minute: int = Field(default=60, ge=1)
    """MCP requests of one address at endpoints that tenants opened to anybody."""
    oauth_issuer: str | None = None
    """The OAuth 2.1 authorization server whose tokens `/mcp` accepts beside API keys, as it names itself."""
    oauth_audience: str | None = None
    """What its tokens must be made for; `PUBLIC_URL/mcp` by default."""
    oauth_jwks_url: str | None = None
    """Where its public keys are; found by its metadata otherwise."""
    oauth_scope_prefix: str = "herald:"
    """What precedes the names of our scopes in its tokens, as in `herald:agent`."""
    oauth_tenant_claim: str = "tenant"
    """The claim of its tokens that holds the slug of the tenant."""
    oauth_tenant: str | None = None
    """The one tenant that all its tokens are for, where it cannot name one in a claim."""
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
    match_reader: Literal["local", "anthropic"] = "local"
    """With `anthropic`, Claude is asked about single messages whose best match stays in doubt."""
    match_reader_low: float = Field(default=0.25, ge=0, le=1)
    match_reader_high: float = Field(default=0.6, ge=0, le=1)
    """In doubt is a probability from the lower bound up to below the higher one."""
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
                url = full + url.removeprefix(short)
        if not url.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
            raise ValueError("give sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE")
        return url

    @field_validator("oauth_issuer", "oauth_jwks_url")
    @classmethod
    def _encrypted(cls, url: str | None) -> str | None:
        if url is not None and not is_trustworthy(url):
            raise ValueError("give an address with https (with http only on this machine)")
        return url

    @field_validator("public_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url is not None:
            TypeAdapter(AnyHttpUrl).validate_python(url)
        return url

    @property
    def base_url(self) -> str:
        """What links start with. Where it listens on every address, this machine's own stands in for them."""
        host = "127.0.0.1" if self.host in WILDCARDS else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def is_unreachable(self) -> bool:
        """Whether it listens to the outside, but was not told under which address it is reached."""
        return self.host in WILDCARDS and self.public_url is None


def is_trustworthy(url: str) -> bool:
    """Whether nobody on the way can change what is read there: https, or this machine itself."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    )
