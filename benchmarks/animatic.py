"""Speed of the animatic engine: whole takes at 1280x720, 24 fps, on one core, sound included.

Every shot of the demo film, as production compiles and routes it for a preview, and cases that stress
one thing each. Measured in processor time of this process, the best of three, so that other work on the
machine counts little. Real time is 24 frames a second; the aim is five times that for the slowest of
them. "steady" leaves out what is painted once per clip.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.clock import utc_now
from pipeline.control.compile import compile_shot
from pipeline.control.framing import Framing, framing_of
from pipeline.control.request import CameraCue, Figure, GenerationRequest, Image
from pipeline.control.seeds import first_seed, take_seed
from pipeline.engines.animatic import AnimaticEngine
from pipeline.registry.load import load_registry
from pipeline.routing.decide import require_routes, route
from pipeline.routing.facts import shot_facts
from pipeline.routing.load import load_table
from pipeline.routing.stage import Stage
from pipeline.storyboard.load import load_storyboard
from pipeline.storyboard.schema import Mode

BOARD = Path("examples/lighthouse/storyboard.yaml")
FPS = 24
FRAMES = 144
ROUNDS = 3
AIM = 5.0  # times real time
PICTURE = Image(sha256="0" * 64)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table."""

    name: str
    model: str
    request: GenerationRequest
    continued: bool = False
    """Whether its clean last frame is wanted, for the shot that continues it."""


def request_for(setting: str, move: str, size: str = "wide", *, picture: bool = False) -> GenerationRequest:
    """Return a six second shot with one figure that walks."""
    return GenerationRequest(
        shot_id="S01",
        mode=Mode.IMAGE_TO_VIDEO if picture else Mode.TEXT_TO_VIDEO,
        prompt=setting,
        action=setting,
        setting=setting,
        width=1280,
        height=720,
        fps=f"{FPS}/1",
        frames=FRAMES,
        seed=7,
        palette=("#2f4858", "#c2703d", "#f2e8cf"),
        camera=CameraCue(size=size, move=move, angle="eye-level"),
        figures=() if picture else (Figure(id="a", name="Ana", palette=("#c2703d", "#2f4858"), action="walks"),),
        first_frame=PICTURE if picture else None,
    )


def cases() -> tuple[Case, ...]:
    """Return what is measured."""
    coast = "a lighthouse on the coast at dawn"
    return (
        Case("coast, push-in", "painted", request_for(coast, "push-in")),
        Case("forest in fog, truck", "painted", request_for("pine forest in fog", "truck-left", "full")),
        Case("kitchen, static", "painted", request_for("farm kitchen in the morning", "static", "medium")),
        Case("coast, push-in", "pencil", request_for(coast, "push-in")),
        Case("picture, static", "painted", request_for(coast, "static", picture=True)),
        Case("picture, pan", "painted", request_for(coast, "pan-right", picture=True)),
        Case("picture, orbit", "painted", request_for(coast, "orbit-left", picture=True)),
    )


def demo() -> tuple[Case, ...]:
    """Return the shots of the demo film, as a preview asks for them."""
    board = load_storyboard(BOARD).storyboard
    registry, table = load_registry(), load_table()
    before = {shot.continues for shot in board.enabled_shots}
    found: list[Case] = []
    for shot in board.enabled_shots:
        decision = route(
            shot_facts(board, shot),
            stage=Stage.PREVIEW,
            registry=registry,
            table=table,
            available_engines={AnimaticEngine.name: ()},
            today=utc_now().date(),
        )
        require_routes([decision])
        model = registry.get(decision.chain[0])
        framing = framing_of(board, shot, model)
        assert isinstance(framing, Framing), framing  # routing found it fit
        request = compile_shot(
            board,
            shot,
            model=model,
            seed=take_seed(first_seed(board, shot), attempt=0, candidate=0),
            size=(framing.width, framing.height),
            rate=framing.rate,
            images={},
            first_frame_override=PICTURE if shot.continues else None,
        ).request
        found.append(Case(shot.id, model.id.partition("/")[2], request, shot.id in before))
    return tuple(found)


def measure(case: Case, images: dict[str, Path], out: Path) -> tuple[float, float]:
    """Return frames per processor second for the whole take, and without what is done once."""
    engine = AnimaticEngine()
    frames = case.request.frames
    whole = steady = float("inf")
    for _ in range(ROUNDS):
        marks: list[float] = []

        def note(_: float, marks: list[float] = marks) -> None:
            marks.append(time.process_time())

        start = time.process_time()
        engine.render(case.model, case.request, images, out, note, last_frame=case.continued)
        whole = min(whole, time.process_time() - start)
        steady = min(steady, marks[-2] - marks[1])
    # The first report after a frame comes at frame 0, the last but one before the final frames.
    counted = (frames - 1) // 6 * 6
    return frames / whole, counted / steady


def core_speed() -> float:
    """Return millions of plain Python additions per processor second: how busy the machine is now."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        total = 0
        for number in range(400_000):
            total += number
        best = min(best, time.process_time() - start)
    return 0.4 / best


def run(show: Callable[[str], None] = print) -> None:
    """Print the table."""
    show(f"animatic engine, 1280x720 at {FPS} fps, one core (processor time, best of {ROUNDS})")
    show(f"core speed {core_speed():.0f} M additions/s (compare runs at the same speed only)")
    show(f"{'shot':<24}{'model':<10}{'frames':>7}{'frames/s':>10}{'x real time':>13}{'steady':>9}{'x real time':>13}")
    speeds: list[tuple[float, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "picture.png")
        noise = np.random.default_rng(1).integers(0, 255, (45, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(picture), cv2.resize(noise, (1920, 1080), interpolation=cv2.INTER_CUBIC))
        for case in (*demo(), *cases()):
            whole, steady = measure(case, {PICTURE.sha256: picture}, Path(folder, "take.mp4"))
            speeds.append((whole / FPS, f"{case.name} ({case.model})"))
            show(
                f"{case.name:<24}{case.model:<10}{case.request.frames:>7}{whole:>10.0f}{whole / FPS:>12.1f}x"
                f"{steady:>9.0f}{steady / FPS:>12.1f}x"
            )
    slowest, name = min(speeds)
    short = sum(speed < AIM for speed, _ in speeds)
    show(f"slowest: {name}, {slowest:.1f} times real time; {short} of {len(speeds)} below {AIM:.0f}")


if __name__ == "__main__":
    run()
