"""Settings: everything comes from `QUIRE_*` environment variables; the command line overrides them."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from documents.terms import Terms


class SettingMissing(Exception):
    """A secret or an address that has no default outside the embedded mode."""


class Settings(BaseSettings):
    """What one process runs with. Secrets are defaulted only in the embedded mode, where they are made and kept."""

    model_config = SettingsConfigDict(env_prefix="QUIRE_", env_file=None, extra="ignore")

    data: Path = Path("data")
    """Where the embedded default keeps its database, keys and mail."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    proxies: str = ""
    """Proxies whose X-Forwarded-For is believed: addresses or networks separated by commas; empty: nobody's."""
    shop_url: str = ""
    """The shop's public address, for links in mails; empty: http://host:port."""

    rabbitmq_url: SecretStr | None = None
    """`amqp://user:password@host:5672/vhost`; several nodes of one cluster separated by commas. None: embedded."""
    console_url: str = ""
    """RabbitMQ's management console as staff's browsers reach it; empty: staff's pages link to none."""
    mongodb_url: SecretStr | None = None
    """A replica set's URL; None: a mongod of our own."""
    database: str = "quire"
    redis_url: SecretStr | None = None
    """None: a cache in memory."""

    signing_keys: SecretStr | None = None
    """The current key, then previous ones, separated by commas, 32 characters or more each. None: the data folder's."""
    operator_token: SecretStr | None = None
    """A bearer token with the staff role for the command line. None: the data folder's."""

    smtp_url: SecretStr | None = None
    """`smtp://user:password@host:587?starttls=true` or `smtps://…`; None: mails become files in the data folder."""
    mail_from: str = "Quire <shop@quire.example>"

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"
    vat_percent: Annotated[int, Field(ge=0, le=100)] = 7
    requests_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """How often one client (an account, else an address) may call /v1; 0: as often as it likes."""
    confirm_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    groups: Annotated[tuple[str, ...], NoDecode] = ()
    """The groups that a worker runs; empty: all."""
    telemetry: bool = True
    """Whether anything is counted, traced or logged for each message."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int | None, Field(ge=0, le=65535)] = None
    """Where a worker answers /metrics and /health; 0: a free port. None: nowhere. An edge answers on its own port."""
    otlp_endpoint: str = ""
    """A collector's OTLP/HTTP address, `http://collector:4318`; empty: no traces."""
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    log_ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    log_level: str = "info"
    log_format: Annotated[str, Field(pattern="^(json|console)$")] = "json"

    @field_validator("groups", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """`carts,orders` in the environment is two groups."""
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @property
    def terms(self) -> Terms:
        """The terms of sale."""
        return Terms(currency=self.currency, vat_percent=self.vat_percent)


def secret(value: SecretStr | None) -> str | None:
    """The value itself, to be handed to whoever needs it and to nobody's log."""
    return value.get_secret_value() if value is not None else None
