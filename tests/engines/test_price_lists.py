"""Price lists are read from a real HTTP server on loopback, which answers in the documented shapes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.engines.http import Wire
from pipeline.engines.prices import listed_engines, read_prices
from pipeline.engines.skus import Unreadable, terms_of
from pipeline.errors import ConfigurationError, ProviderError
from pipeline.registry.load import load_registry
from pipeline.registry.prices import Rate
from pipeline.registry.refresh import Published

MODELS = [
    {"id": "alibaba/wan-3.0", "pricing_skus": {"duration_seconds_480p": "0.05", "duration_seconds_720p": "0.12"}},
    {"id": "acme/odd", "pricing_skus": {"per_moon_phase": "1"}},
    {"id": "acme/free", "pricing_skus": {}},
    {"name": "no id"},
]
PRICES = {
    "fal-ai/nano-banana-pro": {"unit_price": 0.15, "unit": "image", "currency": "USD"},
    "kling/v4/text-to-video": {"unit_price": 0.157, "unit": "video second", "currency": "USD"},
    "fal-ai/flux/schnell": {"unit_price": 0.003, "unit": "compute seconds", "currency": "USD"},
    "fal-ai/ideogram/v3": {"unit_price": 5, "unit": "image", "currency": "EUR"},
}


@dataclass
class Lists:
    """A server that tells prices, and what it was asked."""

    base: str = ""
    asked: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)
    openrouter: Any = field(default_factory=lambda: {"data": MODELS})


@pytest.fixture
def lists() -> Iterator[Lists]:
    told = Lists()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            told.asked.append((parts.path, query, self.headers.get("Authorization", "")))
            if parts.path == "/videos/models":
                self.answer(200, told.openrouter)
            elif "endpoint_id" in query and all(each in PRICES for each in query["endpoint_id"]):
                names = query["endpoint_id"]
                at = int(query.get("cursor", ["0"])[0])
                self.answer(
                    200,
                    {
                        "prices": [{"endpoint_id": name, **PRICES[name]} for name in names[at : at + 2]],
                        "next_cursor": str(at + 2),
                        "has_more": at + 2 < len(names),
                    },
                )
            else:
                self.answer(404, {"error": {"type": "not_found", "message": "no such endpoint"}})

        def answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its parent's word
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    told.base = f"http://127.0.0.1:{server.server_port}"
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


def read(engine: str, names: list[str], environment: dict[str, str]) -> dict[str, Published]:
    registry = load_registry()
    models = [registry.get(f"{engine}/{name}") for name in names]

    async def ask() -> list[Published]:
        async with Wire() as wire:
            return await read_prices(engine, models, wire, environment)

    return {each.model: each for each in asyncio.run(ask())}


def test_openrouters_list_is_read_and_what_is_not_understood_says_so(lists: Lists) -> None:
    found = read("openrouter", ["alibaba/wan-3.0", "recraft/recraft-v4"], {"DAILIES_OPENROUTER_BASE_URL": lists.base})

    wan = found["openrouter/alibaba/wan-3.0"].terms
    assert wan is not None
    assert [(rate.resolution, rate.usd) for rate in wan.rates] == [("480p", Decimal("0.05")), ("720p", Decimal("0.12"))]
    assert found["openrouter/acme/odd"].unclear == "the list prices it by per_moon_phase, which is not understood"
    assert found["openrouter/acme/free"].unclear == "the list has no price for it"
    assert found["openrouter/recraft/recraft-v4"].unclear == "the list has video models only"
    assert lists.asked == [("/videos/models", {}, "")]


def test_fal_is_asked_by_name_with_the_key_page_by_page(lists: Lists) -> None:
    found = read("fal", list(PRICES), {"DAILIES_FAL_BASE_URL": lists.base, "FAL_KEY": "k:s"})

    assert found["fal/fal-ai/nano-banana-pro"].one == ("image", Decimal("0.15"))
    assert found["fal/kling/v4/text-to-video"].one == ("second", Decimal("0.157"))
    assert "compute seconds" in found["fal/fal-ai/flux/schnell"].unclear
    assert "EUR" in found["fal/fal-ai/ideogram/v3"].unclear
    assert {path for path, _, _ in lists.asked} == {"/v1/models/pricing"}
    assert {key for _, _, key in lists.asked} == {"Key k:s"}
    assert len(lists.asked) == 2


def test_an_endpoint_that_fal_does_not_know_hides_no_other(lists: Lists) -> None:
    names = ["fal-ai/nano-banana-pro", "pixverse/v6/text-to-video"]

    found = read("fal", names, {"DAILIES_FAL_BASE_URL": lists.base, "FAL_KEY": "k:s"})

    assert found["fal/fal-ai/nano-banana-pro"].one == ("image", Decimal("0.15"))
    assert "does not tell its price" in found["fal/pixverse/v6/text-to-video"].unclear


def test_an_answer_that_is_no_list_is_an_error(lists: Lists) -> None:
    lists.openrouter = {"data": "none"}

    with pytest.raises(ProviderError, match="no list of prices"):
        read("openrouter", [], {"DAILIES_OPENROUTER_BASE_URL": lists.base})


def test_an_engine_without_a_list_and_a_missing_key_are_named() -> None:
    assert listed_engines() == ("fal", "openrouter")
    with pytest.raises(ConfigurationError, match="publishes no prices"):
        read("runway", [], {})
    with pytest.raises(ConfigurationError) as caught:
        read("fal", [], {})
    assert caught.value.where == "FAL_KEY"


def rate_for(rates: tuple[Rate, ...], resolution: str, mode: str, *, audio: bool) -> Rate:
    """Return the line that counts, as the price list would choose it."""
    return next(
        rate
        for rate in rates
        if rate.resolution in {None, resolution}
        and rate.audio in {None, audio}
        and (rate.mode is None or mode == rate.mode or mode in rate.mode)
    )


@pytest.mark.parametrize(
    ("skus", "asked", "usd"),
    [
        ({"duration_seconds": "0.13"}, ("2k", "text-to-video", True), "0.13"),
        ({"cents_per_second_output": "12"}, ("720p", "text-to-video", False), "0.12"),
        ({"cents_per_video_output_second_480p": "5"}, ("480p", "text-to-video", False), "0.05"),
        ({"per-video-second": "0.5", "per-video-second-1080p": "0.75"}, ("1080p", "text-to-video", True), "0.75"),
        (
            {"duration_seconds": "0.084", "duration_seconds_with_audio": "0.126",
             "text_to_video_duration_seconds_720p": "0.084"},
            ("720p", "text-to-video", True),
            "0.126",  # sound is what makes a clip dearer, so it counts before mode and resolution
        ),
        (
            {"duration_seconds_with_audio": "0.40", "duration_seconds_without_audio": "0.20",
             "duration_seconds_with_audio_4k": "0.60"},
            ("4k", "text-to-video", True),
            "0.60",
        ),
        (
            {"text_to_video_duration_seconds_720p": "0.08", "image_to_video_duration_seconds_720p": "0.10"},
            ("720p", "first-last-frame", False),
            "0.10",
        ),
        ({"video_tokens": "0.000007"}, ("720p", "text-to-video", True), "0.1512"),
        (
            {"video_tokens": "0.000007", "video_tokens_1080p": "0.0000077", "video_tokens_without_audio": "0.000007"},
            ("1080p", "text-to-video", False),
            "0.37422",  # the class's own key counts, whatever the general one says of sound
        ),
    ],
)  # fmt: skip
def test_the_keys_that_openrouter_uses_are_read(skus: dict[str, str], asked: tuple[str, str, bool], usd: str) -> None:
    resolution, mode, audio = asked

    terms = terms_of(skus, ["480p", "720p", "1080p", "2K", "4K"], None)

    assert rate_for(terms.rates, resolution, mode, audio=audio).usd == Decimal(usd)


def test_tokens_cost_at_most_what_the_largest_picture_of_the_class_does() -> None:
    named = terms_of({"video_tokens": "0.000007"}, ["720p"], ["1280x720", "1112x834", "864x496"])
    unnamed = terms_of({"video_tokens": "0.000007"}, ["480p"], None)

    assert named.rates[0].up_to_usd == Decimal("0.152152875")
    assert unnamed.rates[0].up_to_usd == (unnamed.rates[0].usd * Decimal("1.05")).quantize(Decimal("1E-9"))


def test_minimum_and_pictures_are_read_and_input_video_is_left_out() -> None:
    terms = terms_of(
        {
            "cents_per_second_output": "28",
            "minimum_cents_per_generation": "56",
            "cents_per_image_input": "1",
            "cents_per_second_video_continuation_720p": "41",
            "reference_duration_seconds": "9",
        },
        None,
        None,
    )

    assert terms.minimum_usd == Decimal("0.56")
    assert [(each.unit, each.usd) for each in terms.surcharges] == [("input-image", Decimal("0.01"))]
    assert len(terms.rates) == 1


@pytest.mark.parametrize(
    "skus",
    [None, {}, [], {"duration_seconds": "n/a"}, {"duration_seconds": "-1"}, {"minimum_cents_per_generation": "56"},
     {"video_tokens": "0.000007"}, {"duration_seconds": "0.1", "something": "2"}],
)  # fmt: skip
def test_what_makes_no_whole_price_list_is_none(skus: Any) -> None:
    with pytest.raises(Unreadable):
        terms_of(skus, None, None)
