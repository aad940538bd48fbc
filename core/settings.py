"""All settings, read once from the environment and `.env`, frozen, and passed down."""

from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import NotConfigured

MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """What can be configured. `.env.example` holds the same names, and a test keeps the two equal."""

    model_config = SettingsConfigDict(
        env_file=".env", env_nested_delimiter="__", frozen=True, extra="ignore", env_ignore_empty=True
    )

    data_dir: Path = Field(
        Path("data"), description="Folder of the job database, the media files and the cookie secret."
    )
    provider_name: str = Field("lucy14b", description="The model whose page opens at `/`.")
    worker: Literal["embedded", "off"] = Field(
        "embedded", description="`embedded` runs the worker inside the app; `off` leaves it to `python -m core worker`."
    )
    debug: str = Field("", description="Detailed logs, by name: `jobs:*,providers:*`.")

    fal_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("fal_api_key", "fal_key"),
        description="Key of your fal account (`id:secret`). `FAL_KEY` is read too.",
    )
    fal_key_id: str | None = Field(None, description="First half of the key, where it comes as a pair.")
    fal_key_secret: SecretStr | None = Field(None, description="Second half of the key, where it comes as a pair.")
    fal_base_url: str = Field("https://fal.run", description="fal's address. The queue's follows from it.")
    fal_queue_url: str | None = Field(
        None, description="Address of fal's queue, if it does not follow from FAL_BASE_URL."
    )
    fal_rest_url: str | None = Field(None, description="Address of fal's upload service, likewise.")
    fal_records_url: str | None = Field(
        None,
        description="Address of fal's platform API, where a job whose answer was lost is looked up. `off` never asks there.",
    )
    public_url: str | None = Field(
        None, description="Address under which fal can reach this app, for its webhooks: `https://takes.example.com`."
    )
    fal_max_in_flight: int = Field(
        8,
        ge=1,
        le=100,
        description="Jobs that are with fal at the same time; the rest wait here, where order and cancel are free.",
    )
    fal_endpoint: dict[str, str] = Field(
        default_factory=dict,
        description="Other endpoint for a model: `FAL_ENDPOINT__LUCY14B=decart/lucy-i2v`.",
    )

    keep_days: int | None = Field(
        None,
        ge=1,
        description="Finished jobs older than this are deleted with their files, favourites never. Empty: all stay.",
    )
    poll_seconds: float = Field(
        2.0, gt=0, le=60, description="Seconds between two looks at a job that is with a provider."
    )
    max_upload_mb: int = Field(30, ge=1, le=200, description="Largest picture, clip or sound that is taken in, in MiB.")
    fetch_private_urls: bool = Field(
        False, description='`true` lets "image by URL" reach private addresses. Only for tests on your own machine.'
    )
    cookie_secret: SecretStr | None = Field(
        None, description="Signs the cookie that tells browsers apart. Made and kept under DATA_DIR if empty."
    )

    @field_validator("fal_base_url", "fal_queue_url", "fal_rest_url", "fal_records_url", "public_url")
    @classmethod
    def _is_http_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None or (value == "off" and info.field_name == "fal_records_url"):
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as https://fal.run")
        return value.rstrip("/")

    @property
    def fal_key(self) -> SecretStr | None:
        """The key as fal's `Authorization: Key` header wants it, from whichever setting holds it."""
        if self.fal_api_key:
            return self.fal_api_key
        if self.fal_key_id and self.fal_key_secret:
            return SecretStr(f"{self.fal_key_id}:{self.fal_key_secret.get_secret_value()}")
        return None

    @property
    def queue_url(self) -> str:
        """Address of fal's queue: `fal.run` → `queue.fal.run`; any other host is used as it is (fal.md 7)."""
        if self.fal_queue_url:
            return self.fal_queue_url
        parts = urlsplit(self.fal_base_url)
        return f"{parts.scheme}://queue.fal.run" if parts.hostname == "fal.run" else self.fal_base_url

    @property
    def rest_url(self) -> str:
        """Address of fal's upload service: `rest.fal.ai` for fal itself, else the host of FAL_BASE_URL."""
        if self.fal_rest_url:
            return self.fal_rest_url
        host = urlsplit(self.fal_base_url).hostname or ""
        return "https://rest.fal.ai" if host in ("fal.run", "queue.fal.run") else self.fal_base_url

    @property
    def records_url(self) -> str | None:
        """Address of fal's platform API: `api.fal.ai/v1` for fal itself, else only what is set; None where it is not asked."""
        if self.fal_records_url:
            return None if self.fal_records_url == "off" else self.fal_records_url
        return "https://api.fal.ai/v1" if self.queue_url == "https://queue.fal.run" else None

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * MEBIBYTE

    @cached_property
    def home(self) -> Path:
        """DATA_DIR as an absolute path, made if it is not there. Raises NotConfigured if it cannot be made."""
        path = self.data_dir.expanduser().absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise NotConfigured(
                f"DATA_DIR={self.data_dir} cannot be used: {exc.strerror}. Choose a folder you may write to."
            ) from exc
        return path

    def endpoint(self, slug: str, default: str) -> str:
        """The provider endpoint of a model: the override from the environment, else the model's own.

        A shell cannot export a name with a dash, so `FAL_ENDPOINT__WAN27_X` stands for the model `wan27-x` too.
        """
        override = self.fal_endpoint.get(slug) or self.fal_endpoint.get(slug.replace("-", "_"))
        return (override or default).strip("/")


def load() -> Settings:
    """Read the settings. Raises NotConfigured with one line for each setting that cannot be used."""
    try:
        return Settings()
    except ValidationError as exc:
        lines = [
            f"{'__'.join(str(part) for part in error['loc']).upper()}: {error['msg']}"
            for error in exc.errors(include_input=False)
        ]
        raise NotConfigured("These settings cannot be used:\n" + "\n".join(lines)) from exc
