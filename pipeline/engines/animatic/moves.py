"""Camera moves as pure functions of time: where the view stands at frame ``i`` of ``n``.

A view is a centre (x in frame widths, y in frame heights, from the composition's centre), an extent
(1 shows one frame of the stage, 1.2 a fifth more) and a roll. How much of it a layer feels depends
on its depth: turning the camera moves everything alike, carrying it moves near things more.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.storyboard.vocabulary import canonical_move

SETTLED = 0.94
"""Share of the clip after which an eased move has arrived; the rest is the hold for the cut."""


class Parallax(StrEnum):
    """What the camera does, as depth sees it."""

    TURN = "turn"
    """Turns or zooms in place: no parallax."""
    TRAVEL = "travel"
    """Is carried: near layers move most."""
    ORBIT = "orbit"
    """Circles the subject: what is behind it moves against what is before it."""


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera looks; see the module."""

    x: float = 0.0
    y: float = 0.0
    extent: float = 1.0
    roll: float = 0.0


@dataclass(frozen=True, slots=True)
class Rig:
    """A move, ready to be asked for any frame.

    Attributes:
        start: View at the first frame, before sway.
        end: View at the last frame, before sway.
        parallax: How depth changes it.
        sway: Amplitude of the hand's noise, in frame widths.
        restless: Lowest frequency of the noise in hertz.
        phases: Seeded phases and frequencies of the noise.
        begins: Share of the clip at which the move starts.
        ends: Share of the clip at which it has arrived.
    """

    start: View
    end: View
    parallax: Parallax
    sway: float
    restless: float
    phases: tuple[tuple[float, float, float], ...]
    begins: float = 0.0
    ends: float = SETTLED

    def at(self, index: int, frames: int, rate: float) -> View:
        """Return the view at a frame."""
        view = mix(self.start, self.end, self.share(index, frames))
        seconds = index / rate
        x, y, r = (self.sway * self._noise(axis, seconds) for axis in range(3))
        return View(view.x + x, view.y + 0.8 * y, view.extent, view.roll + 0.25 * r)

    def share(self, index: int, frames: int) -> float:
        """Return the eased share of the move that is done at a frame."""
        t = index / max(1, frames - 1)
        return ease((t - self.begins) / max(1e-6, self.ends - self.begins))

    def _noise(self, axis: int, seconds: float) -> float:
        mine = self.phases[axis::3]
        total = 0.0
        for weight, pitch, phase in mine:
            total += weight * math.sin(math.tau * self.restless * pitch * seconds + phase)
        return total / sum(weight for weight, _, _ in mine)

    def reach(self, frames: int, rate: float) -> View:
        """Return the largest offsets and extent over the clip, for any depth: the overscan needed."""
        views = [self.at(index, frames, rate) for index in range(frames)]
        # What a layer feels grows with the view's own offsets and extent, whatever its depth.
        most = View(
            max(abs(view.x) for view in views),
            max(abs(view.y) for view in views),
            max(view.extent for view in views),
            max(abs(view.roll) for view in views),
        )
        near, far = self.felt(most, 1.0), self.felt(most, 0.0)
        return View(max(abs(near.x), abs(far.x)), max(abs(near.y), abs(far.y)), max(near.extent, far.extent), most.roll)

    def felt(self, view: View, depth: float) -> View:
        """Return the view as a layer at a depth feels it (0 is infinitely far, 1 the nearest)."""
        if self.parallax is Parallax.TURN:
            return view
        if self.parallax is Parallax.TRAVEL:
            gain = 0.3 + 0.7 * depth
            grow = 0.45 + 0.55 * depth
        else:
            gain = (0.75 - depth) / 0.75
            grow = 1.0
        return replace(view, x=view.x * gain, y=view.y * abs(gain), extent=1 + (view.extent - 1) * grow)


def ease(t: float) -> float:
    """Return the minimum-jerk share of a move at time ``t`` (Flash and Hogan 1985), clamped to 0..1."""
    t = min(1.0, max(0.0, t))
    return t * t * t * (10 - 15 * t + 6 * t * t)


def mix(one: View, other: View, share: float) -> View:
    """Return the view between two others; extents are mixed as a camera at constant pace sees them."""
    return View(
        one.x + (other.x - one.x) * share,
        one.y + (other.y - one.y) * share,
        one.extent * (other.extent / one.extent) ** share,
        one.roll + (other.roll - one.roll) * share,
    )


def _phases(seed: int) -> tuple[tuple[float, float, float], ...]:
    noise = random.Random(seed ^ 0x5EED)
    return tuple(
        (1.0 / (1 + k), (1.0 + 0.9 * k) * noise.uniform(0.85, 1.15), noise.uniform(0, math.tau))
        for k in range(4)
        for _ in range(3)
    )


_STRIDE = 0.085  # a lateral move, each way from the centre, in frame widths
_PUSH = 1.2

# Each move by name, as its start, end, parallax and sway.
_REST = View()
_TABLE: dict[str, tuple[View, View, Parallax, float]] = {
    "static": (View(-0.003), View(0.003), Parallax.TURN, 0.0028),
    "pan-left": (View(_STRIDE), View(-_STRIDE), Parallax.TURN, 0.0004),
    "pan-right": (View(-_STRIDE), View(_STRIDE), Parallax.TURN, 0.0004),
    "tilt-up": (View(y=0.1), View(y=-0.08), Parallax.TURN, 0.0004),
    "tilt-down": (View(y=-0.1), View(y=0.06), Parallax.TURN, 0.0004),
    "push-in": (View(extent=_PUSH), _REST, Parallax.TRAVEL, 0.0008),
    "pull-out": (_REST, View(extent=_PUSH), Parallax.TRAVEL, 0.0008),
    "zoom-in": (View(extent=1.26), _REST, Parallax.TURN, 0.0004),
    "zoom-out": (_REST, View(extent=1.26), Parallax.TURN, 0.0004),
    "truck-left": (View(_STRIDE), View(-_STRIDE), Parallax.TRAVEL, 0.0008),
    "truck-right": (View(-_STRIDE), View(_STRIDE), Parallax.TRAVEL, 0.0008),
    "crane-up": (View(y=0.1), View(y=-0.08), Parallax.TRAVEL, 0.0008),
    "crane-down": (View(y=-0.1), View(y=0.06), Parallax.TRAVEL, 0.0008),
    "orbit-left": (View(-_STRIDE), View(_STRIDE), Parallax.ORBIT, 0.0008),
    "orbit-right": (View(_STRIDE), View(-_STRIDE), Parallax.ORBIT, 0.0008),
    "handheld": (_REST, _REST, Parallax.TRAVEL, 0.0075),
    "follow": (View(-0.07), View(0.07), Parallax.TRAVEL, 0.002),
    "whip-pan-left": (View(0.24), View(-0.24), Parallax.TURN, 0.0008),
    "whip-pan-right": (View(-0.24), View(0.24), Parallax.TURN, 0.0008),
    "roll": (View(extent=1.0, roll=-0.06), View(roll=0.06), Parallax.TURN, 0.0004),
}


def rig_for(move: str, seed: int, duration_s: float) -> Rig:
    """Return the rig of a move; an unknown word is a static camera.

    Short clips move less, so that the pace stays the pace of a real camera.
    """
    name = canonical_move(move) or "static"
    start, end, parallax, sway = _TABLE[name]
    calm = min(1.0, 0.35 + duration_s / 5)
    restless = 0.55 if name == "handheld" else 0.16
    begins, ends = 0.0, SETTLED
    if name.startswith("whip"):
        length = min(0.6, 0.45 / max(duration_s, 0.1))
        begins, ends = 0.5 - length / 2, 0.5 + length / 2
        calm = 1.0
    shorten = View(x=start.x * calm, y=start.y * calm, extent=start.extent**calm, roll=start.roll * calm)
    arrive = View(x=end.x * calm, y=end.y * calm, extent=end.extent**calm, roll=end.roll * calm)
    return Rig(shorten, arrive, parallax, sway, restless, _phases(seed), begins, ends)
