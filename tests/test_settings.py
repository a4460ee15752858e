"""The configuration: one sentence for each mistake, and no secret in any of them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.sections.b2brouter import HOSTS, B2BrouterSettings
from config.sections.broker import BrokerSettings
from config.sections.ledger import LedgerSettings
from config.sections.web import WebSettings
from config.settings import Settings, load
from connector.domain.errors import UsageError

MINIMAL = """
[accounts.main]
account_id = 1
api_key = "test_canary_key"

[sources.erp]
adapter = "odoo"
url = "postgresql+psycopg://u:canary-password@h/db"
account = "main"
since = 2026-01-01
"""


@pytest.fixture
def write(tmp_path: Path) -> Path:
    return tmp_path / "connector.toml"


def settings(file: Path, text: str = MINIMAL) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_what_is_not_said_has_the_documented_values(write: Path) -> None:
    found = settings(write)

    assert found.b2brouter.environment == "simulator"
    assert found.b2brouter.host == "http://127.0.0.1:8790"
    assert (found.b2brouter.timeout, found.b2brouter.quiet_time, found.b2brouter.budget) == (30, 180, 540)
    assert found.b2brouter.api_version == "2026-03-02"
    assert found.accounts["main"].account_id == "1"
    assert found.accounts["main"].key() == "test_canary_key"
    assert found.sources["erp"].since == date(2026, 1, 1)
    assert found.sources["erp"].account_of("anything") == "main"
    assert found.ledger.address() == "sqlite:///connector.db"
    assert found.broker.embedded
    assert (found.retry.attempts, found.retry.base, found.retry.cap) == (5, 2.0, 300.0)
    assert (found.web.host, found.web.port) == ("127.0.0.1", 8080)


def test_every_environment_has_its_host_and_budget(write: Path) -> None:
    for environment, host in HOSTS.items():
        key = "live_x" if environment == "production" else "test_x"
        text = f'[b2brouter]\nenvironment = "{environment}"\n' + MINIMAL.replace("test_canary_key", key)
        found = settings(write, text)
        assert found.b2brouter.host == host
        assert found.b2brouter.budget == (900 if environment == "production" else 540)


def test_the_environment_wins_over_the_file(write: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_ACCOUNTS__MAIN__API_KEY", "test_other")
    monkeypatch.setenv("CONNECTOR_B2BROUTER__TIMEOUT", "12")
    monkeypatch.setenv("CONNECTOR_LEDGER__URL", "postgresql+psycopg://h/ledger")

    found = settings(write)

    assert found.accounts["main"].key() == "test_other"
    assert found.accounts["main"].account_id == "1"
    assert found.b2brouter.timeout == 12
    assert found.ledger.address() == "postgresql+psycopg://h/ledger"


@pytest.mark.parametrize("told", ["", "_FILE", "_COMMAND"])
@pytest.mark.parametrize("written", ["", "_file", "_command"])
def test_a_secret_of_the_environment_wins_however_it_is_told_here_and_there(
    write: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, written: str
) -> None:
    ways = {}
    for place in ("here", "there"):
        (tmp_path / place).write_text(f"sqlite:///{place}.db")
        ways[place] = {
            "": f"sqlite:///{place}.db",
            "_file": str(tmp_path / place),
            "_command": ["cat", str(tmp_path / place)],
        }
    text = MINIMAL + f"\n[ledger]\nurl{written} = {json.dumps(ways['there'][written])}\n"
    here = ways["here"][told.lower()]
    monkeypatch.setenv(f"CONNECTOR_LEDGER__URL{told}", here if isinstance(here, str) else json.dumps(here))

    assert settings(write, text).ledger.address() == "sqlite:///here.db"


def test_an_empty_variable_takes_no_secret_away(write: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("sqlite:///there.db")
    monkeypatch.setenv("CONNECTOR_LEDGER__URL", "")

    found = settings(write, MINIMAL + f'\n[ledger]\nurl_file = "{tmp_path / "url"}"\n')

    assert found.ledger.address() == "sqlite:///there.db"


def test_the_file_is_found_by_argument_by_environment_or_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"connector\.toml"):
        load()
    (tmp_path / "connector.toml").write_text(MINIMAL)
    assert load().accounts
    other = tmp_path / "other.toml"
    other.write_text(MINIMAL.replace("main", "elsewhere"))
    monkeypatch.setenv("CONNECTOR_CONFIG", str(other))
    assert "elsewhere" in load().accounts


def test_secrets_may_stand_in_files(write: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("test_from_file\n")
    (tmp_path / "url").write_text("postgresql+psycopg://h/from_file\n")
    text = MINIMAL.replace('api_key = "test_canary_key"', f'api_key_file = "{tmp_path / "key"}"')
    text = text.replace('url = "postgresql+psycopg://u:canary-password@h/db"', f'url_file = "{tmp_path / "url"}"')
    text += f'\n[ledger]\nurl_file = "{tmp_path / "url"}"\n[broker]\nurl_file = "{tmp_path / "url"}"\n'

    found = settings(write, text)

    assert found.accounts["main"].key() == "test_from_file"
    for address in (found.sources["erp"].address(), found.ledger.address(), found.broker.address()):
        assert address == "postgresql+psycopg://h/from_file"
    assert not found.broker.embedded


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:canary@a@h/db",
        "postgresql://u:canary/a@h/db",
        "postgresql://u:canary?a@h/db",
        "postgresql://u:canary#a@h/db",
        "postgresql://u:canary@h/db?sslmode=disable&password=a@b",
        "mysql://u@canary@h/db",
        "redis://:1/canary@h/0",
    ],
)
def test_an_address_that_could_be_taken_apart_in_two_ways_is_refused(write: Path, url: str) -> None:
    text = MINIMAL.replace("postgresql+psycopg://u:canary-password@h/db", url)
    found = settings(write, text + f'[ledger]\nurl = "{url}"\n[broker]\nurl = "{url}"\n')
    for name, section in (("sources.erp", found.sources["erp"]), ("ledger", found.ledger), ("broker", found.broker)):
        with pytest.raises(UsageError, match=rf"{name}\.url does not show where its password ends") as refused:
            section.address()
        assert "%40" in refused.value.action
        assert "canary" not in refused.value.message + refused.value.action


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////home/me@corp/erp.db",
        "sqlite:///erp.db",
        "memory://",
        "postgresql:///db?host=@socket",
        "postgresql://u:a%40b:c;d@[::1]:5432/db?application_name=me%40here",
        "mysql://u@h/db",
    ],
)
def test_an_address_that_can_be_taken_apart_in_one_way_is_told(url: str) -> None:
    assert LedgerSettings(url=SecretStr(url)).address() == url


def test_a_broker_has_one_address() -> None:
    with pytest.raises(UsageError, match=r"url does not show where its password ends"):
        BrokerSettings(url=SecretStr("amqp://u:a;b@h//")).address()


@pytest.mark.parametrize("content", [None, ""])
def test_a_secret_file_that_is_missing_or_empty_is_named(write: Path, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    text = MINIMAL.replace('api_key = "test_canary_key"', f'api_key_file = "{tmp_path / "key"}"')

    with pytest.raises(UsageError, match="api_key_file"):
        settings(write, text).accounts["main"].key()


def test_a_relative_file_that_is_missing_is_told_with_the_folder_where_it_was_looked_for(
    write: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = settings(write, MINIMAL.replace('api_key = "test_canary_key"', 'api_key_file = "key"'))
    with pytest.raises(UsageError, match=f"api_key_file {tmp_path / 'key'} cannot be read: No such file") as caught:
        found.accounts["main"].key()
    assert caught.value.action.startswith("Give it by its whole path: ")
    whole = settings(write, MINIMAL.replace('api_key = "test_canary_key"', f'api_key_file = "{tmp_path / "key"}"'))
    with pytest.raises(UsageError, match="cannot be read: No such file") as caught:
        whole.accounts["main"].key()
    assert caught.value.action == "See that it is there, and that our user may read it."


def test_companies_have_accounts_of_their_own(write: Path) -> None:
    text = MINIMAL.replace('account = "main"', 'accounts = { "1" = "main" }')

    source = settings(write, text).sources["erp"]

    assert (source.account_of("1"), source.account_of("2")) == ("main", None)


MISTAKES = {
    "unknown section": ("[b2bruter]\n" + MINIMAL, "unknown key b2bruter; did you mean b2brouter?"),
    "unknown key": ("[retry]\natempts = 3\n" + MINIMAL, "unknown key retry.atempts; did you mean attempts?"),
    "unknown key of an account": (
        MINIMAL.replace("api_key =", "api_kye ="),
        "accounts.main.api_kye; did you mean api_key",
    ),
    "unknown key of a source": (MINIMAL + 'acount = "x"\n', "sources.erp.acount; did you mean account"),
    "missing key": (MINIMAL.replace("account_id = 1\n", ""), "accounts.main.account_id is missing"),
    "no api key": (MINIMAL.replace('api_key = "test_canary_key"\n', ""), "api_key or api_key_file is missing"),
    "wrong value": ("[web]\nport = 70000\n" + MINIMAL, "web.port"),
    "wrong type": ('[retry]\nattempts = "many"\n' + MINIMAL, "retry.attempts"),
    "wrong environment": ('[b2brouter]\nenvironment = "prod"\n' + MINIMAL, "b2brouter.environment"),
    "quiet time too short": ("[b2brouter]\nquiet_time = 20\n" + MINIMAL, "must be greater than timeout"),
    "base url outside the simulator": (
        '[b2brouter]\nenvironment = "sandbox"\nbase_url = "http://x"\n' + MINIMAL,
        "base_url is for the simulator only",
    ),
    "sandbox key in production": (
        '[b2brouter]\nenvironment = "production"\n' + MINIMAL,
        "accounts.main has a sandbox key",
    ),
    "production key in the sandbox": (
        '[b2brouter]\nenvironment = "sandbox"\n' + MINIMAL.replace("test_canary", "live_canary"),
        "accounts.main has no sandbox key",
    ),
    "no such account": (MINIMAL.replace('account = "main"', 'account = "other"'), "names the account 'other'"),
    "account and accounts": (MINIMAL + 'accounts = { "1" = "main" }\n', "give either account or accounts"),
    "neither": (MINIMAL.replace('account = "main"\n', ""), "give either account or accounts"),
    "bad TOML": (MINIMAL + "[[", "is not valid TOML"),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_sentence_without_secrets(write: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(write, text)

    said = f"{caught.value.message} {caught.value.action}"
    assert sentence in said
    assert "canary" not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "address",
    [
        "https://api.b2brouter.net",
        "https://API.B2Brouter.net/",
        "http://api-staging.b2brouter.net:8790",
        "https://app.b2brouter.net.",
        "https://b2brouter.net",
    ],
)
def test_the_simulator_is_never_b2brouter_itself(address: str) -> None:
    with pytest.raises(ValueError, match="where invoices may be real"):
        B2BrouterSettings(base_url=address)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8790", "http://b2brouter:8790", "https://sim-b2brouter.net"])
def test_the_simulator_may_be_anywhere_else(address: str) -> None:
    assert B2BrouterSettings(base_url=address).host == address


# ---------------------------------------------------------------- what the environment says

KEYLESS = MINIMAL.replace('api_key = "test_canary_key"\n', "")


def refused(write: Path, text: str = MINIMAL) -> str:
    """The sentence and the cure of a configuration that cannot be used."""
    with pytest.raises(UsageError) as caught:
        settings(write, text)
    assert "canary" not in caught.value.message
    return f"{caught.value.message} {caught.value.action}"


def test_a_secret_that_is_missing_may_be_one_that_this_terminal_was_not_told(write: Path) -> None:
    assert refused(write, KEYLESS) == (
        f"{write}: accounts.main: api_key or api_key_file is missing. "
        f"Correct it in {write}, or set CONNECTOR_ACCOUNTS__MAIN__API_KEY_FILE, in each terminal anew."
    )
    addressless = MINIMAL + '[notifications.recipients.ana]\naccounts = ["main"]\n'
    assert "or set CONNECTOR_NOTIFICATIONS__RECIPIENTS__ANA__ADDRESS_FILE," in refused(write, addressless)


@pytest.mark.parametrize("name", ["my-shop", "Main"])
def test_no_variable_is_named_that_could_not_be_set(write: Path, name: str) -> None:
    assert refused(write, KEYLESS.replace("accounts.main", f"accounts.{name}")).endswith(f"Correct it in {write}.")


def test_an_account_that_the_environment_alone_names_is_not_looked_for_in_the_file(
    write: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_ACCOUNTS__MIAN__API_KEY_FILE", "api_key")

    assert refused(write, KEYLESS) == (
        "CONNECTOR_ACCOUNTS__MIAN__API_KEY_FILE: accounts.mian.account_id is missing. "
        f"Correct the environment variable CONNECTOR_ACCOUNTS__MIAN__API_KEY_FILE: {write} has no accounts.mian."
    )


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("CONNECTOR_RETRY__ATEMPTS", "unknown key retry.atempts; did you mean attempts?"),
        ("CONNECTOR_ACCOUNTS__MAIN__API_KYE", "unknown key accounts.main.api_kye; did you mean api_key?"),
        ("CONNECTOR_WEB__PORT", "web.port: Input should be a valid integer"),
    ],
)
def test_a_mistake_in_the_environment_names_its_variable(
    write: Path, monkeypatch: pytest.MonkeyPatch, variable: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, "canary")

    said = refused(write)

    assert said.startswith(f"{variable}: {sentence}")
    assert said.endswith(f" Correct the environment variable {variable}.")


def test_a_variable_of_a_section_that_is_none_is_refused(write: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_ACOUNTS__MAIN__API_KEY", "canary")

    assert refused(write) == (
        "CONNECTOR_ACOUNTS__MAIN__API_KEY: unknown key acounts; did you mean accounts? "
        "Correct the environment variable CONNECTOR_ACOUNTS__MAIN__API_KEY."
    )


def test_variables_that_are_no_settings_are_let_be(write: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECTOR_CONFIG", "CONNECTOR_DEBUG", "CONNECTOR_POSTGRES_SERVICE_HOST", "MY_CONNECTOR_X__Y"):
        monkeypatch.setenv(name, "x")

    assert settings(write).accounts


def test_a_file_that_is_no_text_or_no_file_is_told(write: Path, tmp_path: Path) -> None:
    write.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        load(write)
    with pytest.raises(UsageError, match="cannot be read: Is a directory") as caught:
        load(tmp_path)
    assert "our user may read it" in caught.value.action


def test_no_secret_shows_in_the_settings_themselves(write: Path) -> None:
    found = settings(write)

    assert "canary" not in f"{found!r}{found}{found.model_dump()}"


def test_two_accounts_cannot_be_one_and_the_same(write: Path) -> None:
    twice = MINIMAL + '[accounts.again]\naccount_id = "1"\napi_key = "other-key"\n'
    with pytest.raises(UsageError, match="one and the same account_id"):
        settings(write, twice)


# ---------------------------------------------------------------- more files


INCLUDING = 'include = ["accounts.d/*.toml"]\n' + MINIMAL

OTHER = """
[accounts.other]
account_id = "2"
api_key = "test_canary_other"

[sources.second]
adapter = "odoo"
url = "postgresql://h/second"
account = "other"

[notifications.recipients.ops]
address = "json://h/canary"
accounts = ["other", "main"]
"""


@pytest.fixture
def more(write: Path) -> Path:
    folder = write.parent / "accounts.d"
    folder.mkdir()
    return folder / "other.toml"


def test_accounts_sources_and_recipients_may_stand_in_files_of_their_own(write: Path, more: Path) -> None:
    more.write_text(OTHER, encoding="utf-8")
    (more.parent / ".hidden.toml").write_text("no TOML", encoding="utf-8")
    found = settings(write, INCLUDING)
    assert list(found.accounts) == ["main", "other"]
    assert list(found.sources) == ["erp", "second"]
    assert found.notifications.recipients["ops"].accounts == ["other", "main"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[accounts.main]\naccount_id = 3\napi_key = 'test_x'", "accounts.main is in {main} and in {more}."),
        ("[retry]\nattempts = 3", "{more}: retry cannot stand in an included file."),
        ("[notifications]\nrepeat_hours = 3", "{more}: notifications.repeat_hours cannot stand in an included file."),
        ("include = ['x.toml']", "{more}: include cannot stand in an included file."),
        ("[accounts.other]\naccount_id = 3\napikey = 'canary'", "{more}: unknown key accounts.other.apikey; did you"),
        ("[accounts.other]\naccount_id = 1\napi_key = 'test_x'", "{more}: accounts.other and accounts.main are one"),
        ("[sources.x]\nadapter = 'odoo'\naccount = 'mian'", "{more}: sources.x names the account 'mian', but the"),
        ("[accounts.other", "{more} is not valid TOML: "),
    ],
)
def test_a_mistake_in_an_included_file_names_that_file(write: Path, more: Path, text: str, fault: str) -> None:
    more.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        settings(write, INCLUDING)
    assert caught.value.message.startswith(fault.format(main=write, more=more))
    assert "canary" not in caught.value.message


def test_a_file_that_is_named_has_to_be_there(write: Path) -> None:
    with pytest.raises(UsageError, match=r"connector\.toml includes other\.toml, and there is no such file\."):
        settings(write, 'include = ["other.toml"]')
    assert list(settings(write, INCLUDING).accounts) == ["main"]  # a folder may be empty
    with pytest.raises(UsageError, match="include is a list of files"):
        settings(write, 'include = "other.toml"')


@pytest.mark.parametrize(
    ("proxy", "peer", "is_one"),
    [
        ("10.42.0.7", "10.42.0.7", True),
        ("10.42.0.7", "10.42.0.8", False),
        ("10.42.0.0/16", "10.42.9.1", True),
        ("10.42.0.0/16", "::ffff:10.42.9.1", True),
        ("10.42.0.0/16", "10.43.0.1", False),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "10.42.9.1", False),
        ("10.42.0.7", "", False),
        (None, "10.42.0.7", False),
        ("", "10.42.0.7", False),
    ],
)
def test_a_proxy_is_an_address_or_a_network(proxy: str | None, peer: str, is_one: bool) -> None:
    assert WebSettings(proxy=proxy).is_proxy(peer) is is_one


def test_what_is_neither_is_a_mistake(write: Path) -> None:
    with pytest.raises(UsageError, match=r"web\.proxy: 'ingress' does not appear to be"):
        settings(write, MINIMAL + '[web]\nproxy = "ingress"\n')
