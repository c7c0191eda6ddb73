"""Every setting of the service, its default and its unit: one class, read once at start-up.

A value comes from, first to last: a command-line option, an environment variable `CHATKEEP_<NAME>`,
the file `.env` in the working directory, a file of secrets such as `/run/secrets/chatkeep_secret_key`, the default
written here. `.env.example` explains each. An empty variable counts as one that is not set.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from chatkeep.chatstream_roles import ALL_OF_CHATSTREAM, ChatStreamRole
from chatkeep.env_file import require_clear
from chatkeep.errors import ConfigurationError
from chatkeep.refused_settings import explain
from chatkeep.secret_files import secret_source
from chatkeep.setting_types import (
    AllowedHosts,
    AllowedOrigins,
    Flag,
    FromJson,
    HeaderName,
    HomePath,
    ListenHost,
    LowerCase,
    ModelProxy,
    ModelUrl,
    Names,
    Networks,
    Port,
    RootPath,
    Secrets,
    SendableToken,
)
from chatkeep.signing_keys import require_unguessable

DAY_SECONDS = 24 * 60 * 60
GUEST_TTL_SECONDS = 14 * DAY_SECONDS
# A hundred years: longer ones would end beyond the calendar.
MAX_LIFETIME_SECONDS = 36_500 * DAY_SECONDS
MAX_REGISTRATIONS_PER_HOUR = 200
MAX_ACCESS_TOKENS = 50
# A year, whichever year it is.
ACCESS_TOKEN_MAX_SECONDS = 366 * DAY_SECONDS
KeptRole = Literal["user", "admin", "guest"]


class Settings(BaseSettings):
    """The operator's choices. Unknown `CHATKEEP_` names are ignored; wrong values refuse to start."""

    model_config = SettingsConfigDict(
        env_prefix="CHATKEEP_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    # The settings that the process that started this one has read, by name; None where this process reads for itself.
    _handed_over: ClassVar[Mapping[str, object] | None] = None

    # Where the conversations are.
    database_url: SecretStr | None = Field(None, validation_alias=AliasChoices("CHATKEEP_DATABASE_URL", "DATABASE_URL"))
    # A standby, for what administrators read; and how far it may be behind.
    read_database_url: SecretStr | None = None
    read_max_lag_seconds: int = Field(30, ge=2, le=3600)
    data_dir: HomePath | None = None
    postgres_bin: HomePath | None = None
    database_pool_size: int = Field(16, ge=1, le=500)
    allow_unsafe_database: Flag = False

    # Where the service listens, and whom it believes.
    host: ListenHost = "127.0.0.1"
    port: Port = 8000
    workers: int = Field(1, ge=1, le=64)
    allowed_hosts: AllowedHosts = ()
    allowed_origins: AllowedOrigins = ()
    trusted_proxies: Networks = ()
    root_path: RootPath = ""
    max_body_bytes: int = Field(1024 * 1024, ge=1024, le=1024**3)
    max_import_bytes: int = Field(1024**3, ge=1024, le=1024**4)
    max_file_bytes: int = Field(10 * 1024**2, ge=1024, le=1024**3)
    file_quota_bytes: int = Field(256 * 1024**2, ge=1024, le=1024**5)
    mcp: bool = True
    openai_store: LowerCase[Literal["asked", "always"]] = "asked"
    max_connections: int | None = Field(None, ge=1, le=1_000_000)
    max_connections_per_address: int = Field(256, ge=1, le=1_000_000)
    head_timeout_seconds: int = Field(10, ge=1, le=3600)
    body_timeout_seconds: int = Field(30, ge=1, le=3600)

    # Figures for Prometheus: at a port of their own, or with the token.
    metrics_host: str = Field("127.0.0.1", min_length=1)
    metrics_port: int | None = Field(None, ge=1, le=65535)
    metrics_token: SendableToken | None = None

    # Sessions.
    secret_key: Secrets = ()
    cookie_secure: Flag = True
    cookie_name: str = Field("sid", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    session_idle_seconds: int = Field(14 * DAY_SECONDS, ge=60, le=MAX_LIFETIME_SECONDS)
    session_max_seconds: int = Field(90 * DAY_SECONDS, ge=60, le=MAX_LIFETIME_SECONDS)

    # Accounts.
    allow_registration: Flag = True
    max_registrations_per_hour: int = Field(MAX_REGISTRATIONS_PER_HOUR, ge=1, le=1_000_000)
    max_access_tokens: int = Field(MAX_ACCESS_TOKENS, ge=1, le=10_000)
    access_token_max_seconds: int = Field(ACCESS_TOKEN_MAX_SECONDS, ge=60, le=MAX_LIFETIME_SECONDS)
    allow_guests: Flag = False
    guest_ttl_seconds: int = Field(GUEST_TTL_SECONDS, ge=60, le=MAX_LIFETIME_SECONDS)
    admin_username: str = "admin"
    admin_password: SecretStr | None = None
    require_audit_reason: Flag = False

    # A server in front that signs people in, and is believed whom it names.
    auth_user_header: HeaderName | None = None
    auth_email_header: HeaderName | None = None
    auth_name_header: HeaderName | None = None
    auth_proxies: Networks = ()
    auth_secret: SecretStr | None = None
    auth_secret_header: HeaderName = Field("X-Chatkeep-Auth-Secret")

    # The language model.
    model_url: ModelUrl | None = None
    model_api_key: SecretStr | None = None
    model: str | None = None
    model_proxy: ModelProxy | None = None
    model_first_token_seconds: int = Field(600, ge=1, le=86_400)
    model_next_token_seconds: int = Field(120, ge=1, le=86_400)
    counted_models: Names = ()
    context_tokens: int = Field(8192, ge=256)
    max_generations: int = Field(2000, ge=1)
    max_queued: int = Field(2000, ge=0)
    flush_interval_ms: int = Field(200, ge=10, le=10_000)
    lease_seconds: int = Field(10, ge=2, le=600)
    shutdown_grace_seconds: int = Field(10, ge=0, le=600)
    follower_timeout_seconds: int = Field(30, ge=1, le=3600)

    # ChatStream's endpoints: what each role of an account may use; a role that is not named, nothing.
    chatstream_roles: FromJson[dict[Literal["user", "admin"], ChatStreamRole]] = {
        "user": ALL_OF_CHATSTREAM,
        "admin": ALL_OF_CHATSTREAM,
    }

    # For how many days after its last turn a conversation is kept, by whose it is; a role that is not named, for ever.
    retention_days: FromJson[dict[KeptRole, Annotated[int, Field(ge=1, le=36_500)]]] = {}

    # The log (standard error).
    log_level: LowerCase[Literal["debug", "info", "warning", "error"]] = "info"
    log_format: LowerCase[Literal["auto", "json", "console"]] = "auto"

    @model_validator(mode="after")
    def _metrics_apart(self) -> Self:
        if self.metrics_port == self.port:
            raise ValueError(
                "CHATKEEP_METRICS_PORT is the service's own port. Give it another one, or leave it unset and set "
                "CHATKEEP_METRICS_TOKEN."
            )
        return self

    @model_validator(mode="after")
    def _standby_of_something(self) -> Self:
        if self.read_database_url is not None and self.database_url is None:
            raise ValueError(
                "CHATKEEP_READ_DATABASE_URL names a standby, and CHATKEEP_DATABASE_URL is not set: the embedded server "
                "has no standby. Set both, or leave it unset."
            )
        return self

    @model_validator(mode="after")
    def _guests_no_longer_than_sessions(self) -> Self:
        if self.allow_guests and self.guest_ttl_seconds > self.session_idle_seconds:
            raise ValueError(
                "CHATKEEP_GUEST_TTL_SECONDS is longer than CHATKEEP_SESSION_IDLE_SECONDS: what guests have would be "
                "kept when nobody can open it any more. Shorten the one or lengthen the other."
            )
        return self

    @classmethod
    def read(cls, **options: object) -> Self:
        """Read the settings, with the command line's `options` before the environment's.

        In a process of `chatkeep serve` these are the settings that it was started with: its options, the embedded
        database and the secret of `--local` included.

        Raises:
            ConfigurationError: names each setting that is wrong, and never its value.
        """
        given = {name: value for name, value in options.items() if value is not None}
        try:
            return cls(**given)  # type: ignore[arg-type]  # options come by name from the command line
        except ValidationError as error:
            raise ConfigurationError(explain(error, _bounds())) from None
        except SettingsError as error:
            raise ConfigurationError(f"Settings that cannot be used: {error}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"The file .env in {Path.cwd()} cannot be read ({type(error).__name__}). Make it readable text in "
                "UTF-8, or remove it."
            ) from error

    def hand_over(self) -> None:
        """Have this process read these settings from now on, and its environment and `.env` no more.

        `chatkeep serve` does so in each process that serves: one that is started later, in place of another, is
        as the others, whatever the file says by then.
        """
        Settings._handed_over = {name: getattr(self, name) for name in self.model_fields_set}

    @classmethod
    def are_handed_over(cls) -> bool:
        """Tell whether `chatkeep serve` runs this process."""
        return cls._handed_over is not None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the library passes it by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, first to last."""
        if cls._handed_over is None or cls is not Settings:
            require_clear(cls.model_config.get("env_file"))
        if cls._handed_over is None:
            return init_settings, env_settings, dotenv_settings, secret_source(settings_cls)
        handed_over = InitSettingsSource(settings_cls, init_kwargs=dict(cls._handed_over))
        # A subclass may have settings of its own, which nobody has read before.
        own = () if cls is Settings else (env_settings, dotenv_settings, secret_source(settings_cls))
        return init_settings, handed_over, *own

    def signing_keys(self) -> tuple[str, ...]:
        """Return the cookie's signing keys, newest last.

        Raises:
            ConfigurationError: there is none, or one that a stranger could guess.
        """
        keys = tuple(key.get_secret_value() for key in self.secret_key)
        require_unguessable(keys)
        return keys


def _bounds() -> dict[str, tuple[int | None, int | None]]:
    """Return the least and the greatest value of each setting that is a number."""
    numbers = {
        name: field.metadata for name, field in Settings.model_fields.items() if field.annotation in (int, int | None)
    }
    return {name: (_end(metadata, "ge"), _end(metadata, "le")) for name, metadata in numbers.items()}


def _end(metadata: list[object], name: str) -> int | None:
    return next((getattr(each, name) for each in metadata if hasattr(each, name)), None)
