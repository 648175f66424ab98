"""Settings: what wins, what is refused, and in which words.

Belongs here: what needs no server. Does not belong here: what commands do with settings (``test_cli``).
"""

import datetime as dt
import os
import stat
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import conninfo

from orchestration import settings
from orchestration.settings import Settings, load
from warehouse import access
from warehouse.catalog import APPLICATIONS
from warehouse.errors import ConfigurationError

SECRET = "s3cret"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("WEIR_"):
            monkeypatch.delenv(name)
    return tmp_path


def refusal() -> str:
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_every_setting_has_a_default(folder: Path) -> None:
    chosen = load()
    assert chosen.state == folder / ".weir"
    assert chosen.needs_server
    assert chosen.earliest_date == dt.date(2000, 1, 1)
    assert (chosen.max_quarantine_share, chosen.detail_retention_days, chosen.aggregate_retention_days) == (
        0.05,
        90,
        1095,
    )
    assert list(folder.iterdir()) == []


def test_there_is_a_source_for_each_application_of_the_catalog() -> None:
    assert Settings.APPLICATIONS == APPLICATIONS
    assert set(Settings.URLS) < set(Settings.model_fields)


def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "weir.toml").write_text('home = "of-the-file"\nearliest_date = 2010-01-01\nmax_quarantine_share = 0.5\n')
    monkeypatch.setenv("WEIR_HOME", "of-the-environment")
    chosen = load()
    assert chosen.state == folder / "of-the-environment"
    assert chosen.earliest_date == dt.date(2010, 1, 1)
    assert chosen.max_quarantine_share == 0.5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("WEIR_SOURCE_ULR", "unknown setting WEIR_SOURCE_ULR in the environment; did you mean WEIR_SOURCE_URL?"),
        ("WEIR_FOO", "unknown setting WEIR_FOO in the environment; unset it; settings are WEIR_ADDITIVE_"),
    ],
)
def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    monkeypatch.setenv(name, SECRET)
    assert refusal().startswith(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'warehouse_ulr = "{SECRET}"', "unknown setting warehouse_ulr in weir.toml; did you mean warehouse_url?"),
        (f'foo = "{SECRET}"', "unknown setting foo in weir.toml; unset it; settings are additive_"),
        ("[weir]\nhome = 'x'", "unknown setting weir in weir.toml"),
        ("home = ", "weir.toml is not TOML (Invalid value (at end of document)); mend it"),
        ("earliest_date = 2020-01-01T00:00:00Z", "is not a date such as 2018-01-31; mend it in weir.toml"),
        ("home = 5", "setting home '5' should be "),
        (f"warehouse_url = '{SECRET}'", "setting warehouse_url is not of the form postgresql://"),
        (b"home = '\xff'", "weir.toml is not UTF-8; save it as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(folder: Path, text: str | bytes, words: str) -> None:
    (folder / "weir.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    assert words in refusal()


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://weir:{SECRET}@host/warehouse",
        f"postgresql+psycopg://weir:{SECRET}@host/warehouse",
        f"host=localhost dbname=warehouse password={SECRET}",
        f"postgresql://weir:{SECRET}@host",
        f"postgresql:///{SECRET}",
        f"postgresql://weir:{SECRET}@host:port/warehouse",
        f"postgresql://weir:{SECRET}@host:70000/warehouse",
        f"postgresql://weir:{SECRET}@host/warehouse?no_such_parameter=1",
        f"postgresql://weir:{SECRET}%zz@host/warehouse",
        f"postgresql://weir:{SECRET}\N{CARE OF}@host/warehouse",  # to urllib it has a slash
        f"postgresql://weir:{SECRET}@[host]/warehouse?port={SECRET}",
    ],
)
@pytest.mark.parametrize("name", ["WEIR_WAREHOUSE_URL", "WEIR_SOURCE_URL_SERVICES"])
def test_a_malformed_url_is_refused_without_quoting_it(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    monkeypatch.setenv(name, url)
    assert refusal() == (
        f"setting {name} is not of the form postgresql://user:password@host:port/database; mend it in the environment"
    )


@pytest.mark.parametrize("character", [*"@/?#[] ", "\t", "\N{NO-BREAK SPACE}", "@[", "/@", "1/@", "?a=", "#@"])
@pytest.mark.parametrize("user", ["", "weir"])
def test_a_raw_character_that_cuts_a_password_is_refused_with_its_code(
    monkeypatch: pytest.MonkeyPatch, user: str, character: str
) -> None:
    """What libpq takes for the host or the database, it shows where it cannot connect."""
    for url in (
        f"postgresql://{user}:{SECRET}{character}{SECRET}@127.0.0.1/warehouse",
        f"postgres://{user}:54{character}{SECRET}@127.0.0.1:5432/warehouse?sslmode=require",
    ):
        monkeypatch.setenv("WEIR_WAREHOUSE_URL", url)
        assert refusal() == (
            "setting WEIR_WAREHOUSE_URL is ambiguous: percent-encode special characters of its user and password, "
            "@ as %40, / as %2F, ? as %3F, # as %23, [ as %5B, ] as %5D and a space as %20; mend it in the environment"
        )


def test_what_is_percent_encoded_reaches_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    password = "@/?#[] :%+&=\\'\"|é"
    for url in (
        f"postgresql://weir:{quote(password, safe='')}@h/d?sslmode=require",
        f"postgresql://h/d?user=weir&sslmode=require&password={quote(password, safe='+')}",
    ):
        monkeypatch.setenv("WEIR_WAREHOUSE_URL", url)
        for used in (url, load().warehouse_url, access.acting_as_runner(url)):
            parts = conninfo.conninfo_to_dict(used or "")
            assert (parts["user"], parts["password"], parts["host"]) == ("weir", password, "h")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/d",
        "postgresql://u:p%40@[::1]:5432/d?sslmode=require",
        "postgresql:///d?host=%2Ftmp",
        "postgresql://h/d?user=u@cloud",
    ],
)
def test_whatever_libpq_takes_for_a_place_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("WEIR_WAREHOUSE_URL", url)
    assert load().warehouse_url == url


def test_the_short_name_of_the_scheme_is_taken_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_WAREHOUSE_URL", "postgres://u@h/d")
    assert load().warehouse_url == "postgresql://u@h/d"


@pytest.mark.parametrize(
    "url",
    [
        f"hooks.example.com/{SECRET}",
        f"https:/hooks.example.com/{SECRET}",
        f"https://hooks.example.com/a b/{SECRET}",
        f"https://hooks.example.com/\x7f{SECRET}",
        f"https://hooks.example.com/é{SECRET}",
        f"https://user:{SECRET}@hooks.example.com/",
        f"https://hooks.example.com:{SECRET}",
    ],
)
def test_a_malformed_webhook_is_refused_without_quoting_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    answer = "is not of the form https://example.com/path; mend it in"
    monkeypatch.setenv("WEIR_ALERT_WEBHOOK_URL", url)
    assert refusal() == f"setting WEIR_ALERT_WEBHOOK_URL {answer} the environment"
    monkeypatch.delenv("WEIR_ALERT_WEBHOOK_URL")
    (folder / "weir.toml").write_text(f'alert_webhook_url = ["https://example.com/{SECRET}"]')
    assert refusal().startswith("setting alert_webhook_url should be ")


@pytest.mark.parametrize(
    "url", ["https://example.com", "http://127.0.0.1:80/a?b=c#d", "http://[::1]:8080/%20", "https://example.com?a"]
)
def test_a_webhook_may_be_any_place(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("WEIR_ALERT_WEBHOOK_URL", url)
    assert load().alert_webhook_url == url


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WEIR_EARLIEST_DATE", "soon", "'soon' is not a date such as 2018-01-31"),
        ("WEIR_EARLIEST_DATE", "20200101", "'20200101' is not a date"),  # pydantic: seconds since 1970
        ("WEIR_EARLIEST_DATE", "2020-02-30", "'2020-02-30' should be "),
        ("WEIR_EARLIEST_DATE", "0001-01-01", "'0001-01-01' is before 1900-01-01"),  # its eve is no date
        ("WEIR_FIRST_DAY", "2020", "'2020' is not a date"),
        ("WEIR_MAX_QUARANTINE_SHARE", "5%", "'5%' should be a valid number"),
        ("WEIR_MAX_QUARANTINE_SHARE", "1.5", "'1.5' should be less than or equal to 1"),
        ("WEIR_MAX_QUARANTINE_SHARE", "nan", "'nan' should be a finite number"),
        ("WEIR_DETAIL_RETENTION_DAYS", "0", "'0' should be greater than or equal to 1"),
        ("WEIR_AGGREGATE_RETENTION_DAYS", "1.5", "'1.5' should be a valid integer; mend"),
        ("WEIR_HOME", "~no-such-user/weir", "is in the home of a user that does not exist"),
        ("WEIR_HOME", "", "is empty; give it a value, or unset it"),  # Path("") would be the current folder
        ("WEIR_SOURCE_URL", " ", "is empty; give it a value, or unset it"),
    ],
)
def test_a_value_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    monkeypatch.setenv(name, value)
    answer = refusal()
    assert answer.startswith(f"setting {name} ")
    assert words in answer
    assert answer.endswith(("; mend it in the environment", "; give it a value, or unset it"))


def test_an_error_names_the_variable_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_SOURCE_URL", "postgresql://h/all")
    monkeypatch.setenv("WEIR_SOURCE_URL_SERVICES", "postgresql://h/services")
    chosen = load()
    assert [chosen.source_setting(name) for name in APPLICATIONS] == [
        "WEIR_SOURCE_URL",
        "WEIR_SOURCE_URL",
        "WEIR_SOURCE_URL_SERVICES",
    ]
    assert chosen.sources_of(chosen.server) == {
        "scheduling": "postgresql://h/all",
        "workflows": "postgresql://h/all",
        "services": "postgresql://h/services",
    }


def test_the_embedded_server_is_needed_until_everything_has_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_WAREHOUSE_URL", "postgresql://h/warehouse")
    monkeypatch.setenv("WEIR_SOURCE_URL_SCHEDULING", "postgresql://h/scheduling")
    monkeypatch.setenv("WEIR_SOURCE_URL_WORKFLOWS", "postgresql://h/workflows")
    assert load().needs_server
    monkeypatch.setenv("WEIR_SOURCE_URL_SERVICES", "postgresql://h/services")
    assert not load().needs_server


def test_the_readers_password_is_made_once_and_for_its_owner_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIR_WAREHOUSE_URL", "postgresql://h/warehouse")
    password = load().reader_password("weir_bi")
    assert len(password) == 32
    assert load().reader_password("weir_bi") == password
    home = folder / ".weir"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in home.iterdir()] == [("weir_bi.password", 0o600)]


def test_a_home_that_is_a_file_is_refused(folder: Path) -> None:
    (folder / "home").touch()
    with pytest.raises(ConfigurationError, match=r"WEIR_HOME .*home cannot be made .*; set WEIR_HOME to a folder"):
        settings.make_home(folder / "home")
