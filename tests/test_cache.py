"""What services say of their models, kept for a day."""

import json
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fusion_nb.providers import catalogue_cache, custom_services
from fusion_nb.providers.catalogue_cache import cache_path, cached_catalogue, current_catalogue
from fusion_nb.providers.services import Service
from tests.site import ROWS, Site, asking

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


def catalogue(service: Service, home: Path, now: datetime = NOW) -> Any:
    return asking(lambda http: current_catalogue(http, service, None, home, now=now))


def test_a_catalogue_is_asked_for_once_a_day(site: Site, tmp_path: Path) -> None:
    """The first look asks and keeps; within a day nobody is asked; after a day they are again."""
    first = catalogue(site.service, tmp_path)
    again = catalogue(site.service, tmp_path, NOW + timedelta(hours=23))
    assert first.models == again.models == cached_catalogue(tmp_path, site.service).models
    assert again.note(NOW + timedelta(hours=23)) == ""
    assert site.asked == ["/v1/models"]
    later = catalogue(site.service, tmp_path, NOW + timedelta(hours=25))
    assert later.fetched == NOW + timedelta(hours=25)
    assert len(site.asked) == 2


def test_what_is_kept_is_exact_small_and_private(site: Site, tmp_path: Path) -> None:
    """Prices come back from the file to the last digit; what nobody reads is not in it; only its owner can read it."""
    catalogue(site.service, tmp_path)
    file = cache_path(tmp_path, site.service)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "long long" not in file.read_text()
    kept = cached_catalogue(tmp_path, site.service)
    assert kept is not None
    one = kept.models["acme/one"]
    assert one.rates is not None
    assert one.rates.base.prompt == Decimal("0.0000033333333333")
    assert (one.context, one.modalities, one.created) == (200_000, ("text", "image"), "2026-02-02")
    assert json.loads(file.read_text())["fetched"] == NOW.isoformat()


def test_without_the_service_the_kept_one_serves_and_tells_its_age(site: Site, tmp_path: Path) -> None:
    """An unreachable service costs nothing but freshness, which is said; with nothing kept there is nothing."""
    catalogue(site.service, tmp_path)
    site.answers.clear()
    old = catalogue(site.service, tmp_path, NOW + timedelta(days=3))
    assert old.fetched == NOW
    assert old.note(NOW + timedelta(days=3)) == (
        "acme did not list its models today: prices and contexts are of 2026-03-02."
    )
    gone = custom_services.custom_service("gone", "http://127.0.0.1:9/v1")
    assert catalogue(gone, tmp_path) is None


def test_an_answer_without_models_replaces_nothing(site: Site, tmp_path: Path) -> None:
    """A login page or an empty list in place of the models leaves what is kept as it is."""
    catalogue(site.service, tmp_path)
    for answer in (b"<html>login</html>", {"data": []}, {"data": "x"}, [], {"error": {"message": "no"}}):
        site.answers["/v1/models"] = answer
        assert "acme/one" in catalogue(site.service, tmp_path, NOW + timedelta(days=2)).models
    assert cached_catalogue(tmp_path, site.service).fetched == NOW  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null",
        b"[1, 2]",
        b"\xff\xfe\x00",
        b'{"form": "someone else\'s", "v": 1}',
        b'{"form": "fusion_nb models", "v": 2, "base_url": "URL", "fetched": "2026-03-02T11:00:00+00:00", "data": [{"id": "x"}]}',
        b'{"form": "fusion_nb models", "v": 1, "base_url": "https://else.where/v1", "fetched": "2026-03-02T11:00:00+00:00", "data": [{"id": "x"}]}',
        b'{"form": "fusion_nb models", "v": 1, "base_url": "URL", "fetched": "yesterday", "data": [{"id": "x"}]}',
        b'{"form": "fusion_nb models", "v": 1, "base_url": "URL", "fetched": "2026-03-02T11:00:00", "data": [{"id": "x"}]}',
        b'{"form": "fusion_nb models", "v": 1, "base_url": "URL", "fetched": "2026-03-02T11:00:00+00:00", "data": [7, {"id": "\\u001b[31m"}]}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_is_not_ours_is_none(site: Site, tmp_path: Path, text: bytes) -> None:
    """Damaged, foreign, newer, of another address: it is passed over without a word, and replaced."""
    file = cache_path(tmp_path, site.service)
    file.parent.mkdir()
    file.write_bytes(text.replace(b"URL", site.url.encode()))
    assert cached_catalogue(tmp_path, site.service) is None
    assert "acme/one" in catalogue(site.service, tmp_path).models
    assert cached_catalogue(tmp_path, site.service) is not None


def test_a_catalogue_from_the_future_is_not_fresh(site: Site, tmp_path: Path) -> None:
    """A clock that was wrong once does not freeze prices until it is right."""
    catalogue(site.service, tmp_path, NOW + timedelta(days=300))
    assert catalogue(site.service, tmp_path).fetched == NOW
    assert len(site.asked) == 2


def test_a_home_that_cannot_be_written_costs_a_request_and_no_more(site: Site, tmp_path: Path) -> None:
    """A full disk or a file in the way: the catalogue is there all the same."""
    (tmp_path / "models").write_text("in the way")
    assert "acme/one" in catalogue(site.service, tmp_path).models
    assert (tmp_path / "models").read_text() == "in the way"


def test_kernels_that_keep_at_once_never_break_the_file(tmp_path: Path) -> None:
    """Whoever reads while others write finds a whole catalogue, every time."""
    service = custom_services.custom_service("acme", "http://127.0.0.1:9/v1")
    file = cache_path(tmp_path, service)
    catalogue_cache._write_cache(tmp_path, catalogue_cache._used_fields(ROWS), service, NOW)
    found, done = [], threading.Event()

    def write(n: int) -> None:
        for i in range(60):
            catalogue_cache._write_cache(
                tmp_path, catalogue_cache._used_fields(ROWS * (1 + (n + i) % 3)), service, NOW + timedelta(seconds=i)
            )

    def read() -> None:
        while not done.is_set():
            found.append(cached_catalogue(tmp_path, service))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert found
    assert all(kept is not None and "acme/one" in kept.models for kept in found)
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_a_moving_name_is_priced_and_shown_as_what_it_stands_for(site: Site, tmp_path: Path) -> None:
    """`~acme/latest` costs what the concrete model costs, and its name says which that is now."""
    found = catalogue(site.service, tmp_path)
    assert found.models["~acme/latest"].alias_target == "acme/one"
    assert found.models["~acme/latest"].name == "Acme Latest (now Acme: One)"
    assert found.find("~acme/latest") is found.models["acme/one"]
    assert found.rates("~acme/latest") == found.rates("acme/one")
    assert found.rates("acme/one").source.endswith(", 2026-03-02")
    assert found.find("acme/nobody") is None
    assert found.rates("acme/auto") is None
