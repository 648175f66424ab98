"""Settings: environment variables, or ``weir.toml`` in the current folder; every one has a default.

Belongs here: names, types and defaults of settings, and where servers are because of them. Does not belong
here: what they are used for.
"""

import datetime as dt
import os
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import tomllib
from psycopg import ProgrammingError, conninfo
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from warehouse.catalog import APPLICATIONS
from warehouse.errors import ConfigurationError
from warehouse.refresh import Places
from warehouse.server import EmbeddedServer

FILE = "weir.toml"
PREFIX = "WEIR_"


class Settings(BaseSettings):
    """All settings. In ``weir.toml`` their names are in lower case and without ``WEIR_``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", toml_file=FILE, frozen=True)

    home: Path = Path(".weir")
    """State directory: embedded server, Dagster home, reports."""
    source_url: str | None = None
    """Where the source tables are; None: the embedded server, database ``source``."""
    source_url_scheduling: str | None = None
    source_url_workflows: str | None = None
    source_url_services: str | None = None
    warehouse_url: str | None = None
    """The warehouse; None: the embedded server, database ``warehouse``."""
    postgres_bin: Path | None = None
    """Folder of other PostgreSQL binaries (15 or later) for the embedded server."""
    first_day: dt.date | None = None
    """First day of the partition calendar; None: found by the first run, kept in the state directory."""
    earliest_date: dt.date = dt.date(2000, 1, 1)
    """Instants before 00:00 UTC of this date are quarantined."""
    max_quarantine_share: float = Field(default=0.05, ge=0, le=1)
    """Share of a table's live rows in quarantine above which an application is blocked."""
    detail_retention_days: int = Field(default=90, ge=1)
    aggregate_retention_days: int = Field(default=1095, ge=1)

    URLS: ClassVar[tuple[str, ...]] = (
        "source_url",
        "source_url_scheduling",
        "source_url_workflows",
        "source_url_services",
        "warehouse_url",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator(*URLS)
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = conninfo.conninfo_to_dict(value)
        except ProgrammingError:
            parts = {}
        if not value.startswith(("postgresql://", "postgres://")) or not parts.get("host"):
            raise ValueError("not of the form postgresql://user:password@host:port/database")
        return value.replace("postgres://", "postgresql://", 1)

    @cached_property
    def state(self) -> Path:
        """The state directory, absolute."""
        return self.home.expanduser().absolute()

    @property
    def server(self) -> EmbeddedServer:
        """The embedded server of this home, running or not."""
        return EmbeddedServer(self.state, self.postgres_bin)

    @property
    def needs_server(self) -> bool:
        """Whether anything lives on the embedded server."""
        return self.warehouse_url is None or any(self._own_source(name) is None for name in APPLICATIONS)

    def start(self) -> Places:
        """Start the embedded server where it is needed, and tell where everything is.

        Raises:
            ConfigurationError: the home or the server cannot be used.
        """
        server = self.server
        if self.needs_server:
            server.start()
            for name in ("source", "warehouse"):
                server.ensure_database(name)
        else:
            make_home(self.state)
        return self.places(server)

    def places(self, server: EmbeddedServer) -> Places:
        """Where everything is, with the server running already."""
        return Places(
            home=self.state,
            warehouse_url=self.warehouse_url or server.url("warehouse"),
            source_urls={name: self._own_source(name) or server.url("source") for name in APPLICATIONS},
        )

    def _own_source(self, application: str) -> str | None:
        return getattr(self, f"source_url_{application}") or self.source_url


def make_home(home: Path) -> None:
    """Make the state directory, for this user alone.

    Raises:
        ConfigurationError: it cannot be made or written.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"WEIR_HOME {home} cannot be made ({error.strerror}); set WEIR_HOME to a folder you may write"
        ) from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise ConfigurationError(f"WEIR_HOME {home} cannot be written; set WEIR_HOME to a folder you may write")


def load() -> Settings:
    """Read settings from the environment and ``weir.toml``.

    Raises:
        ConfigurationError: an unknown setting, or a value that is none.
    """
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name.upper() not in known:
            raise ConfigurationError(f"unknown setting {name}; settings are {', '.join(sorted(known))}")
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{FILE} is not TOML ({error}); mend it") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        if first["type"] == "extra_forbidden":
            raise ConfigurationError(
                f"unknown setting {name} in {FILE}; settings are {', '.join(sorted(Settings.model_fields))}"
            ) from None
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"setting {PREFIX}{name.upper()}: {reason}; mend it in the environment or in {FILE}") from None
