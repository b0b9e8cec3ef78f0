"""The camera's words, for the request and for the prompt of a model."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pipeline.control.request import CameraCue
from pipeline.registry.capabilities import CameraControl
from pipeline.storyboard import vocabulary
from pipeline.storyboard.schema import Camera

SIZE_PHRASES: Final = MappingProxyType(
    {
        "extreme-wide": "extreme wide establishing shot",
        "wide": "wide shot",
        "full": "full shot, head to foot",
        "medium-wide": "medium wide shot from the knees up",
        "medium": "medium shot",
        "medium-close-up": "medium close-up",
        "close-up": "close-up",
        "extreme-close-up": "extreme close-up",
        "two-shot": "two-shot",
        "over-the-shoulder": "over-the-shoulder shot",
    }
)
MOVE_PHRASES: Final = MappingProxyType(
    {
        "static": "the camera holds still",
        "pan-left": "the camera pans slowly to the left",
        "pan-right": "the camera pans slowly to the right",
        "tilt-up": "the camera tilts up",
        "tilt-down": "the camera tilts down",
        "push-in": "the camera pushes in",
        "pull-out": "the camera pulls back",
        "zoom-in": "the lens zooms in",
        "zoom-out": "the lens zooms out",
        "truck-left": "the camera tracks sideways to the left",
        "truck-right": "the camera tracks sideways to the right",
        "crane-up": "the camera cranes up",
        "crane-down": "the camera cranes down",
        "orbit-left": "the camera orbits the subject to the left",
        "orbit-right": "the camera orbits the subject to the right",
        "handheld": "handheld camera",
        "follow": "the camera follows the subject",
        "whip-pan-left": "the camera whip-pans to the left",
        "whip-pan-right": "the camera whip-pans to the right",
        "roll": "the camera rolls about its axis",
    }
)
ANGLE_PHRASES: Final = MappingProxyType(
    {
        "eye-level": "",
        "low": "low angle",
        "high": "high angle",
        "overhead": "overhead view, straight down",
        "worms-eye": "worm's-eye view from the ground",
        "dutch": "Dutch angle, tilted horizon",
        "profile": "seen in profile",
        "three-quarter": "three-quarter view",
        "rear": "seen from behind",
        "over-the-shoulder": "over somebody's shoulder",
        "point-of-view": "point-of-view shot",
    }
)


def camera_cue(camera: Camera) -> CameraCue:
    """Return the camera in words of the vocabulary; words outside it pass on as they are written."""
    return CameraCue(
        size=vocabulary.canonical_size(camera.size) or camera.size,
        move=vocabulary.canonical_move(camera.move) or camera.move,
        angle=vocabulary.canonical_angle(camera.angle) or camera.angle,
        lens=camera.lens,
    )


def camera_sentence(cue: CameraCue, control: CameraControl) -> str:
    """Return the camera as a phrase for a model's prompt, such as ``Wide shot, low angle, ...``.

    The model's own phrases win over the common ones. A move that the model takes as a parameter, and
    eye level, which is what every model does unasked, are left out.
    """

    def phrase(word: str, common: str) -> str:
        return control.phrases.get(word, common)

    parts = [
        phrase(cue.size, SIZE_PHRASES.get(cue.size, cue.size)),
        phrase(cue.angle, ANGLE_PHRASES.get(cue.angle, cue.angle)),
        "" if cue.move in control.parameters else phrase(cue.move, MOVE_PHRASES.get(cue.move, cue.move)),
        f"{cue.lens} lens" if cue.lens and "lens" not in cue.lens.lower() else cue.lens,
    ]
    sentence = ", ".join(dict.fromkeys(part.strip() for part in parts if part.strip()))
    return sentence[:1].upper() + sentence[1:]
