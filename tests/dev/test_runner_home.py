"""What one run of `ringback dev` leaves to the next."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dev.runner.errors import HomeInUse
from app.dev.runner.home import DemoTenant, Home

_TENANT = DemoTenant("0123456789abcdef", "rbk_key", "whsec_c2VjcmV0")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "kept")
    with home.locked():
        pass
    return home


def test_keys_are_made_once(home: Home) -> None:
    kept = home.load()
    assert home.load() == kept
    assert (kept.listener_port, kept.tenant) == (0, None)


def test_two_homes_have_different_keys(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    with other.locked():
        assert other.load().encryption_keys != home.load().encryption_keys


def test_what_is_saved_is_found_again(home: Home) -> None:
    kept = replace(home.load(), listener_port=23456, tenant=_TENANT)
    home.save(kept)
    assert home.load() == kept


def test_only_the_user_can_read_the_keys(home: Home) -> None:
    home.save(home.load())
    assert home.env_file.stat().st_mode & 0o777 == 0o600


def test_version_control_does_not_take_it_up(home: Home) -> None:
    assert (home.directory / ".gitignore").read_text() == "*\n"


def test_keys_are_in_no_representation(home: Home) -> None:
    kept = replace(home.load(), tenant=_TENANT)
    for secret in (kept.admin_key, kept.encryption_keys, _TENANT.api_key, _TENANT.signing_secret):
        assert secret not in repr(kept)


@given(st.text(max_size=200))
def test_a_damaged_file_gives_new_keys_that_stay(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    home = Home(tmp_path_factory.mktemp("damaged"))
    home.env_file.write_text(text, errors="replace")
    kept = home.load()
    assert kept.admin_key
    assert home.load() == kept


def test_a_second_run_in_the_same_folder_is_refused(home: Home) -> None:
    with home.locked(), pytest.raises(HomeInUse, match="already runs"), Home(home.directory).locked():
        pytest.fail("two runs in one folder")


def test_data_stays_with_its_keys(home: Home) -> None:
    assert home.prepare_redis(home.load()) is None
    (home.redis_directory / "data").write_text("kept")
    assert home.prepare_redis(home.load()) is None
    assert (home.redis_directory / "data").read_text() == "kept"


def test_data_whose_keys_are_gone_is_set_aside_and_not_deleted(home: Home) -> None:
    asides: list[Path] = []
    for data in ("first", "second"):
        assert home.prepare_redis(home.load()) is None
        (home.redis_directory / "data").write_text(data)
        home.env_file.unlink()
        aside = home.prepare_redis(home.load())
        assert aside is not None
        assert (aside / "data").read_text() == data
        assert not (home.redis_directory / "data").exists()
        asides.append(aside)
    assert len(set(asides)) == 2


def test_data_of_unknown_origin_is_set_aside(home: Home) -> None:
    home.redis_directory.mkdir()
    (home.redis_directory / "appendonly.aof").write_text("of another service")
    assert home.prepare_redis(home.load()) is not None
    assert not (home.redis_directory / "appendonly.aof").exists()
