"""Settings: environment variables, or ``weir.toml`` in the current folder; every one has a default.

Belongs here: names, types and defaults of settings, and where servers are because of them. Does not belong
here: what they are used for.
"""

import datetime as dt
import difflib
import os
import re
import secrets
import tempfile
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import urlsplit

from psycopg import ProgrammingError, conninfo
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from warehouse.errors import ConfigurationError
from warehouse.server import EmbeddedServer

if TYPE_CHECKING:
    from warehouse.refresh import Places

FILE = "weir.toml"
FIRST_DAY_FILE = "first_day"
"""In the state directory; written by runs (``warehouse.refresh``)."""
PREFIX = "WEIR_"
DEFAULT_FIRST_DAY = dt.date(2000, 1, 1)
"""Of the partition calendar, before the first run has found the first day with data."""

EARLIEST_DATE = dt.date(1900, 1, 1)
"""Of ``earliest_date`` and ``first_day``: every day since is a partition, and before it zones are guesswork."""

_SCHEMES = ("postgresql://", "postgres://")
_PLAIN_URL = re.compile(
    r"""postgres(ql)?://
    (?: [^\s/?\#@\[\]]*@ [^\s/?\#@]* (?:/[^\s?\#@]*)? (?:\?[^\s\#]*)?   # with a user
    |                   [^\s/?\#@]* (?:/[^\s?\#@]*  (?:\?[^\s\#]*)? | (?:\?[^\s\#@]*)? ) )""",
    re.VERBOSE,
)
"""A URL whose parts are the same to everybody.

Raw in a password, @ and / end it for libpq, which takes what follows for a host or a database and shows that in errors;
? and # end it for ``urllib``, which refuses [ and ] there.
"""


def _only_iso_dates(value: object) -> object:
    # Left alone, pydantic takes 20200101 for seconds since 1970.
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return value
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    raise ValueError("not a date such as 2018-01-31")


def _only_after_time_zones(value: dt.date) -> dt.date:
    if value < EARLIEST_DATE:
        raise ValueError(f"before {EARLIEST_DATE}")
    return value


Day = Annotated[dt.date, BeforeValidator(_only_iso_dates), AfterValidator(_only_after_time_zones)]


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
    first_day: Day | None = None
    """First day of the partition calendar; None: found by the first run, kept in the state directory."""
    earliest_date: Day = dt.date(2000, 1, 1)
    """Instants before 00:00 UTC of this date are quarantined."""
    max_quarantine_share: float = Field(default=0.05, ge=0, le=1, allow_inf_nan=False)
    """Share of a table's live rows in quarantine above which an application is blocked."""
    automation: bool = False
    """Whether the schedule and the sensor of the Dagster UI are on unless they are switched off there."""
    detail_retention_days: int = Field(default=90, ge=1)
    aggregate_retention_days: int = Field(default=1095, ge=1)
    additive_metric_types: str = ""
    """Metric types, separated by commas, of which a day without a row counts as zero; of others it is missing."""
    alert_webhook_url: str | None = None
    """Where alerts of KPI goals are posted as JSON; None: they are logged only. Its path is often a secret."""

    URLS: ClassVar[tuple[str, ...]] = (
        "source_url",
        "source_url_scheduling",
        "source_url_workflows",
        "source_url_services",
        "warehouse_url",
    )
    SECRET: ClassVar[tuple[str, ...]] = (*URLS, "alert_webhook_url")
    """What no message quotes: passwords and tokens are in them."""
    APPLICATIONS: ClassVar[tuple[str, ...]] = tuple(
        name.removeprefix("source_url_") for name in URLS if name.startswith("source_url_")
    )
    """As in ``warehouse.catalog``, which brings SQLAlchemy along: ``weir url`` need not wait for it."""

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

    @field_validator("alert_webhook_url")
    @classmethod
    def _check_webhook(cls, value: str | None) -> str | None:
        # What the standard library does not take for a URL, it quotes when it is asked to send there.
        if value is not None and not re.fullmatch(r"https?://([\w.-]+|\[[\da-fA-F:.]+\])(:\d+)?([/?][!-~]*)?", value):
            raise ValueError("not of the form https://example.com/path")
        return value

    @property
    def additive(self) -> frozenset[str]:
        """The additive metric types."""
        return frozenset(name.strip() for name in self.additive_metric_types.split(",") if name.strip())

    @field_validator(*URLS)
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if value.startswith(_SCHEMES) and not _PLAIN_URL.fullmatch(value):
            raise ValueError(
                "ambiguous: percent-encode special characters of its user and password, "
                "@ as %40, / as %2F, ? as %3F, # as %23, [ as %5B, ] as %5D and a space as %20"
            )
        try:
            urlsplit(value)
            parts = conninfo.conninfo_to_dict(value)
        except (ProgrammingError, ValueError):
            parts = {}
        port = str(parts.get("port", 5432))
        complete = parts.get("host") and parts.get("dbname") and port.isdecimal() and 0 < int(port) < 65536
        if not value.startswith(_SCHEMES) or not complete:
            raise ValueError("not of the form postgresql://user:password@host:port/database")
        return value.replace("postgres://", "postgresql://", 1)

    @field_validator("home", "postgres_bin")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        try:
            return None if value is None else value.expanduser()
        except RuntimeError:
            raise ValueError("in the home of a user that does not exist") from None

    @cached_property
    def state(self) -> Path:
        """The state directory, absolute."""
        return self.home.absolute()

    def calendar_start(self) -> dt.date:
        """First day of the partition calendar: the setting, else the one that the first run has found."""
        if self.first_day:
            return self.first_day
        with suppress(OSError, ValueError):
            return dt.date.fromisoformat((self.state / FIRST_DAY_FILE).read_text(encoding="utf-8").strip())
        return max(self.earliest_date, DEFAULT_FIRST_DAY)

    @property
    def server(self) -> EmbeddedServer:
        """The embedded server of this home, running or not."""
        return EmbeddedServer(self.state, self.postgres_bin)

    @property
    def needs_server(self) -> bool:
        """Whether anything lives on the embedded server."""
        return self.warehouse_url is None or any(self._own_source(name) is None for name in self.APPLICATIONS)

    def start(self) -> "Places":
        """Start the embedded server where it is needed, and tell where everything is.

        Raises:
            ConfigurationError: the home or the server cannot be used.
        """
        return self.places(self.start_server())

    def start_server(self) -> EmbeddedServer:
        """Start the embedded server and make its databases, where it is needed; else make the home alone.

        Raises:
            ConfigurationError: the home or the server cannot be used.
        """
        server = self.server
        if self.needs_server:
            server.start()
            for name in ("source", "warehouse"):
                server.ensure_database(name)
            from warehouse import access

            access.let_runner_read(server.url("source"), self.APPLICATIONS, server.password(access.RUNNER))
        else:
            make_home(self.state)
        return server

    def places(self, server: EmbeddedServer) -> "Places":
        """Where everything is for a run, which has the rights of ``weir_runner``; with the server running already."""
        from warehouse import access
        from warehouse.refresh import Places

        return Places(
            home=self.state,
            warehouse_url=access.acting_as_runner(self.warehouse_url)
            if self.warehouse_url
            else server.url("warehouse", access.RUNNER),
            source_urls={
                name: self._own_source(name) or server.url("source", access.RUNNER) for name in self.APPLICATIONS
            },
        )

    def warehouse_of(self, server: EmbeddedServer) -> str:
        """Libpq URL of the warehouse for whoever sets it up, with the server running already."""
        return self.warehouse_url or server.url("warehouse")

    def sources_of(self, server: EmbeddedServer) -> dict[str, str]:
        """Libpq URL of each application's source for whoever fills it, with the server running already."""
        return {name: self._own_source(name) or server.url("source") for name in self.APPLICATIONS}

    def source_setting(self, application: str) -> str:
        """The environment variable that says where an application's source is, or that could say it."""
        own = f"source_url_{application}"
        return f"{PREFIX}{own if getattr(self, own) else 'source_url'}".upper()

    def reader_password(self, role: str) -> str:
        """Password of the role that BI tools use: the embedded server's, or one made once and kept in the home.

        Raises:
            ConfigurationError: the home cannot be used.
        """
        if self.warehouse_url is None:
            return self.server.password(role)
        make_home(self.state)
        path = self.state / f"{role}.password"
        try:
            if not path.exists():
                with tempfile.NamedTemporaryFile("w", dir=self.state, prefix=f"{role}.new-") as new:
                    new.write(secrets.token_urlsafe(24))
                    new.flush()
                    with suppress(FileExistsError):  # whole or not at all, and the first of two wins
                        os.link(new.name, path)
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be used ({error.strerror}); give yourself access, or set WEIR_HOME to another folder"
            ) from None

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
        if name.startswith(PREFIX) and name not in known:
            raise ConfigurationError(f"unknown setting {name} in the environment; {_suggestion(name, known)}")
        if name in known and not os.environ[name].strip():
            raise ConfigurationError(f"setting {name} is empty; give it a value, or unset it")
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{FILE} is not TOML ({error}); mend it") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{FILE} is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(
            f"{FILE} cannot be read ({error.strerror}); give yourself access, or remove it"
        ) from None
    except ValidationError as error:
        raise ConfigurationError(_complaint(error)) from None


def _complaint(error: ValidationError) -> str:
    """What is wrong with the first value that is none."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name} in {FILE}; {_suggestion(name, Settings.model_fields)}"
    variable = f"{PREFIX}{name}".upper()
    setting, where = (variable, "the environment") if variable in os.environ else (name, FILE)
    value = "" if name in Settings.SECRET else f" {str(first['input'])!r}"
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ").split(", unable")[0]
    own_words = first["type"] == "value_error"
    return f"setting {setting}{value} {'is' if own_words else 'should be'} {reason}; mend it in {where}"


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = {each.removeprefix(PREFIX): each for each in known}
    close = difflib.get_close_matches(name.removeprefix(PREFIX), names, n=1)
    return f"did you mean {names[close[0]]}?" if close else f"unset it; settings are {', '.join(sorted(known))}"
