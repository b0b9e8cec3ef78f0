"""Registry files that the tests of registry, routing and control write."""

from __future__ import annotations

from pathlib import Path

PAID = """
format: 1
engine: acme
provider: Acme
models:
  acme/one:
    kind: video
    capabilities:
      modes: [text-to-video, image-to-video]
      durations: [5, 10]
      resolutions: [720p, 1080p]
      aspect_ratios: ["16:9", "9:16"]
      fps: [24]
      audio: optional
      seed: no
      guidance: {low: 1, high: 10}
      negative_prompt: yes
      reference_images: 2
      max_prompt_characters: 120
    prices:
      - from: 2026-01-01
        until: 2026-11-21
        source: https://acme.example/pricing
        rates: [{unit: second, usd: "0.10"}]
      - from: 2026-11-21
        source: https://acme.example/pricing
        verified: 2026-11-20
        rates:
          - {unit: second, usd: "0.20", resolution: 1080p}
          - {unit: second, usd: "0.123457"}
        surcharges:
          - {unit: second, usd: "0.01", audio: true}
          - {unit: reference-image, usd: "0.04", beyond: 1}
        minimum_usd: "0.50"
        batch_discount: "0.5"
    charges: {failed: no, refused_input: yes}
    limits: {concurrent: 5, per_minute: 60}
  acme/old:
    kind: video
    capabilities: {modes: [text-to-video], durations: {max_s: 10}, resolutions: any, aspect_ratios: any}
    prices: [{from: 2026-01-01, source: x, rates: [{unit: clip, usd: "0.7"}]}]
    retires: 2026-11-21
    successor: acme/one
"""


def write(folder: Path, text: str, name: str = "overlay.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
