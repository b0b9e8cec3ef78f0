"""The file format holds the kinds of price list that providers publish, to the micro-USD.

The lists are shaped like those of providers in November 2026; the amounts serve as examples and are
not the registry's.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.registry.load import load_registry
from pipeline.registry.model import price_of
from pipeline.registry.prices import Job, Quoted
from tests.support.registry_samples import write

LISTS = {
    "a clip by resolution and length": """
      - {unit: clip, usd: "0.15", resolution: 540p, max_duration_s: 5}
      - {unit: clip, usd: "1.20", resolution: 1080p, max_duration_s: 5}
      - {unit: clip, usd: "0.45", resolution: 540p, max_duration_s: 10}
      - {unit: clip, usd: "3.60", resolution: 1080p, max_duration_s: 10}""",
    "a second by resolution, sound half as much again": """
      - {unit: second, usd: "0.126", resolution: 720p, audio: true}
      - {unit: second, usd: "0.168", resolution: 1080p, audio: true}
      - {unit: second, usd: "0.084", resolution: 720p}
      - {unit: second, usd: "0.112", resolution: 1080p}""",
    "video tokens, $0.014 per 1000, 24 x width x height x seconds / 1024 of them": """
      - {unit: megapixel-second, usd: "0.328125"}""",
    "a second with five pictures free": """
      - {unit: second, usd: "0.13", resolution: 2k}
      - {unit: second, usd: "0.08"}
    surcharges:
      - {unit: input-image, usd: "0.04", beyond: 5}""",
    "credits with a minimum": """
      - {unit: second, usd: "0.28"}
    minimum_usd: "0.56\"""",
    "an edit billed by output of unknown length": """
      - {unit: clip, usd: "0.40", up_to_usd: "1.50", mode: image-to-video}
      - {unit: second, usd: "0.05", mode: [text-to-video, first-last-frame]}""",
}


def job(
    seconds: str,
    size: tuple[int, int],
    resolution: str,
    *,
    mode: str = "text-to-video",
    audio: bool | None = False,
    references: int = 0,
) -> Job:
    width, height = size
    return Job(mode, Decimal(seconds), 1, width, height, resolution, audio, references)


HD, FULL_HD = (1280, 720), (1920, 1080)


@pytest.mark.parametrize(
    ("name", "asked", "expected", "worst"),
    [
        ("a clip by resolution and length", job("5", (960, 540), "540p"), 150_000, 150_000),
        ("a clip by resolution and length", job("9", FULL_HD, "1080p"), 3_600_000, 3_600_000),
        ("a second by resolution, sound half as much again", job("5", HD, "720p", audio=True), 630_000, 630_000),
        ("a second by resolution, sound half as much again", job("5", HD, "720p", audio=None), 630_000, 630_000),
        ("a second by resolution, sound half as much again", job("5", HD, "720p"), 420_000, 420_000),
        (
            "video tokens, $0.014 per 1000, 24 x width x height x seconds / 1024 of them",
            job("5", HD, "720p"),
            1_512_000,  # 108,000 tokens
            1_512_000,
        ),
        (
            "video tokens, $0.014 per 1000, 24 x width x height x seconds / 1024 of them",
            job("4", (1112, 834), "720p"),
            1_217_223,  # 86,944.5 tokens
            1_217_223,
        ),
        ("a second with five pictures free", job("6", (2560, 1440), "2k", references=5), 780_000, 780_000),
        (
            "a second with five pictures free",
            job("6", (1366, 768), "768p", references=5, mode="first-last-frame"),
            560_000,
            560_000,
        ),
        ("credits with a minimum", job("1", HD, "720p"), 560_000, 560_000),
        ("an edit billed by output of unknown length", job("5", HD, "720p", mode="image-to-video"), 400_000, 1_500_000),
        ("an edit billed by output of unknown length", job("5", HD, "720p"), 250_000, 250_000),
    ],
)
def test_a_list_of_this_kind_is_priced_exactly(
    tmp_path: Path, name: str, asked: Job, expected: int, worst: int
) -> None:
    overlay = f"""
format: 1
engine: acme
provider: Acme
models:
  acme/one:
   kind: video
   capabilities: {{modes: [text-to-video]}}
   prices:
   -
    from: 2026-01-01
    source: https://acme.example/pricing
    rates:{LISTS[name]}
"""
    model = load_registry(write(tmp_path, overlay)).get("acme/one")

    assert price_of(model, asked, date(2026, 11, 21)) == Quoted(expected, worst, date(2026, 1, 1))


def test_a_promotion_ends_on_its_day_and_an_image_is_priced_by_its_megapixels(tmp_path: Path) -> None:
    overlay = """
format: 1
engine: acme
provider: Acme
models:
  acme/picture:
    kind: image
    capabilities: {modes: [text-to-image]}
    prices:
      - from: 2026-10-01
        until: 2026-11-07
        source: https://acme.example/pricing
        rates: [{unit: image, usd: "0.01"}]
      - from: 2026-11-07
        source: https://acme.example/pricing
        rates: [{unit: image, usd: "0.03"}]
        surcharges: [{unit: megapixel, usd: "0.015", beyond: 1}]
"""
    model = load_registry(write(tmp_path, overlay)).get("acme/picture")
    asked = job("0", (2000, 2000), "1440p", mode="text-to-image")

    during, after = (price_of(model, asked, date(2026, 11, day)) for day in (6, 7))

    assert isinstance(during, Quoted)
    assert isinstance(after, Quoted)
    assert (during.worst, after.worst) == (10_000, 75_000)
