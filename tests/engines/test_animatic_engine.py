"""The animatic engine, from outside: a request in, an MP4 out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from pipeline.control.request import CameraCue, Figure, GenerationRequest, Image, Speech
from pipeline.engines.animatic import AnimaticEngine
from pipeline.errors import EngineError
from pipeline.storyboard.schema import Mode

PICTURE = Image(sha256="a" * 64)
OTHER = Image(sha256="b" * 64)


def request_for(**changes: Any) -> GenerationRequest:
    camera = CameraCue(
        size=changes.pop("size", "wide"), move=changes.pop("move", "static"), angle=changes.pop("angle", "eye-level")
    )
    fields: dict[str, Any] = {
        "shot_id": "S01",
        "mode": Mode.TEXT_TO_VIDEO,
        "prompt": "a meadow",
        "action": "a meadow",
        "setting": "a meadow",
        "width": 320,
        "height": 180,
        "fps": "24/1",
        "frames": 12,
        "seed": 1,
        "audio": False,
    }
    return GenerationRequest(**(fields | changes), camera=camera)


def rendered(
    folder: Path, request: GenerationRequest, model: str = "painted", images: dict[str, Path] | None = None
) -> Path:
    out = folder / "take.mp4"
    AnimaticEngine().render(model, request, images or {}, out, lambda _: None)
    return out


def frames_of(path: Path, form: str = "bgr24") -> np.ndarray:
    with av.open(str(path)) as clip:
        return np.stack([frame.to_ndarray(format=form) for frame in clip.decode(video=0)])


def bgr_of(path: Path | None) -> np.ndarray:
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture


def grey(folder: Path, **changes: Any) -> np.ndarray:
    return frames_of(rendered(folder, request_for(**changes)), "gray").astype(float)


def painted_file(path: Path, seed: int = 3, size: tuple[int, int] = (640, 360)) -> Path:
    cells = np.random.default_rng(seed).integers(20, 235, (12, 20, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(cells, size, interpolation=cv2.INTER_CUBIC))
    return path


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004), 11 pixel Gaussian windows, over grey pictures."""
    a, b = one.astype(np.float64), other.astype(np.float64)

    def blur(x: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(x, (11, 11), 1.5))

    ma, mb = blur(a), blur(b)
    va, vb, vab = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    score = ((2 * ma * mb + 6.5025) * (2 * vab + 58.5225)) / ((ma**2 + mb**2 + 6.5025) * (va + vb + 58.5225))
    return float(score.mean())


def covered(path: Path, width: int, height: int) -> np.ndarray:
    return np.asarray(cv2.cvtColor(cv2.resize(cv2.imread(str(path)), (width, height)), cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize("model", ["painted", "pencil"])
@pytest.mark.parametrize(
    ("width", "height", "fps", "frames"),
    [(160, 90, "24/1", 13), (90, 160, "30000/1001", 7), (160, 160, "25/1", 1), (252, 108, "12/1", 5)],
)
def test_a_take_has_exactly_the_size_rate_and_frames_that_were_asked_for(
    tmp_path: Path, model: str, width: int, height: int, fps: str, frames: int
) -> None:
    path = rendered(tmp_path, request_for(width=width, height=height, fps=fps, frames=frames, audio=True), model)

    with av.open(str(path)) as clip:
        video = clip.streams.video[0]
        stamps = [frame.pts * frame.time_base for frame in clip.decode(video)]
        assert (video.codec_context.width, video.codec_context.height) == (width, height)
        assert video.codec_context.name == "h264"
        assert video.codec_context.pix_fmt == "yuv420p"
        assert video.average_rate == Fraction(fps)
        assert (video.codec_context.color_primaries, video.codec_context.color_trc, video.codec_context.colorspace) == (
            1,
            1,
            1,
        )
        assert video.codec_context.color_range == 1
    assert stamps == [pytest.approx(float(k / Fraction(fps)), abs=1e-4) for k in range(frames)]


def test_the_index_stands_before_the_pictures_so_that_a_take_plays_while_it_loads(tmp_path: Path) -> None:
    data = rendered(tmp_path, request_for()).read_bytes()

    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_the_same_request_gives_the_same_frames_and_another_seed_another_take(tmp_path: Path) -> None:
    request = request_for(figures=(Figure(id="a", name="Ana", action="walks"),))
    once, twice = frames_of(rendered(tmp_path, request)), frames_of(rendered(tmp_path, request))
    other = frames_of(rendered(tmp_path, request.model_copy(update={"seed": 2})))

    assert np.array_equal(once, twice)
    assert not np.array_equal(once, other)
    # Another take of the same place, not another place.
    assert ssim(once[0].mean(axis=2), other[0].mean(axis=2)) > 0.5


@pytest.mark.parametrize("setting", ["a lighthouse on the coast", "a kitchen at night", "a pine forest at night"])
@pytest.mark.parametrize("model", ["painted", "pencil"])
def test_a_still_camera_gives_neither_a_frozen_nor_a_black_nor_a_flickering_picture(
    tmp_path: Path, setting: str, model: str
) -> None:
    request = request_for(setting=setting, action=setting, prompt=setting, frames=24, width=640, height=360)

    pictures = frames_of(rendered(tmp_path, request, model), "gray").astype(float)

    changes = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2))
    assert np.convolve(changes, np.ones(12), "valid").min() / 12 > 0.25
    assert pictures.mean(axis=(1, 2)).min() > 28
    assert np.abs(np.diff(pictures.mean(axis=(1, 2)))).max() < 2.5


def test_words_change_the_picture(tmp_path: Path) -> None:
    def scene(words: str) -> np.ndarray:
        return frames_of(rendered(tmp_path, request_for(setting="", action=words, prompt=words, frames=1)))[0].astype(
            float
        )

    day, night, sunset = scene("a meadow at noon"), scene("a meadow at night"), scene("a meadow at sunset")
    snow, kitchen = scene("a snowfield, day"), scene("a kitchen, day")

    assert night.mean() < 0.6 * day.mean()
    assert (sunset[..., 2] - sunset[..., 0]).mean() > (day[..., 2] - day[..., 0]).mean() + 20
    assert snow[120:].mean() > day[120:].mean() + 30
    assert ssim(kitchen.mean(axis=2), day.mean(axis=2)) < 0.6


def test_the_same_setting_gives_the_same_place_in_another_shot(tmp_path: Path) -> None:
    def place(setting: str, action: str) -> np.ndarray:
        request = request_for(setting=setting, action=action, prompt=action, frames=1, shot_id="")
        return frames_of(rendered(tmp_path, request), "gray")[0]

    one, again = place("the rocky coast, a lighthouse", "waves"), place("the rocky coast, a lighthouse", "gulls")
    elsewhere = place("a rocky coast, another lighthouse", "waves")

    assert ssim(one, again) > 0.9
    assert ssim(one, elsewhere) < ssim(one, again)


def test_the_palette_colours_the_scene(tmp_path: Path) -> None:
    def tint(palette: tuple[str, ...]) -> np.ndarray:
        return frames_of(rendered(tmp_path, request_for(palette=palette, frames=1)))[0].reshape(-1, 3).mean(axis=0)

    red, blue = tint(("#c0392b", "#7b241c", "#f5b7b1")), tint(("#1f4e79", "#2e86c1", "#aed6f1"))

    assert red[2] - red[0] > blue[2] - blue[0] + 15


def test_a_figure_appears_in_its_palette(tmp_path: Path) -> None:
    purple = Figure(id="a", name="Ana", palette=("#8e24aa", "#4a148c"))

    def purples(figures: tuple[Figure, ...]) -> float:
        blue, green, red = np.moveaxis(
            frames_of(rendered(tmp_path, request_for(size="medium", figures=figures, frames=1)))[0].astype(int), 2, 0
        )
        return float(((red - green > 25) & (blue - green > 25)).mean())

    assert purples(()) < 0.01
    assert purples((purple,)) > 0.05


def test_a_close_up_shows_more_of_a_figure_than_a_wide_shot(tmp_path: Path) -> None:
    def cover(size: str) -> float:
        figure = Figure(id="a", name="", palette=("#8e24aa", "#4a148c"))
        have = grey(tmp_path, size=size, figures=(figure,), frames=1)[0]
        lack = grey(tmp_path, size=size, frames=1)[0]
        return float((np.abs(have - lack) > 12).mean())

    assert cover("extreme-wide") < cover("full") < cover("close-up")


def test_a_figure_that_walks_gets_somewhere(tmp_path: Path) -> None:
    def middle(action: str, index: int) -> float:
        figure = Figure(id="a", name="", palette=("#8e24aa", "#8e24aa"), action=action)
        pictures = frames_of(rendered(tmp_path, request_for(size="full", figures=(figure,), frames=24)))
        blue, green, red = np.moveaxis(pictures[index].astype(int), 2, 0)
        return float(np.nonzero((red - green > 25) & (blue - green > 25))[1].mean())

    assert abs(middle("walks along", 23) - middle("walks along", 0)) > 15
    assert abs(middle("waits", 23) - middle("waits", 0)) < 6


def test_subtitles_show_only_while_a_line_is_spoken(tmp_path: Path) -> None:
    speech = Speech(speaker="a", text="Où étiez-vous, Żaneta?", start_s=0.5, end_s=1.0)
    said, silent = grey(tmp_path, frames=36, dialogue=(speech,)), grey(tmp_path, frames=36)

    foot = np.abs(said - silent)[:, 140:, 60:260].mean(axis=(1, 2))

    shown = foot > 5
    assert shown[12:24].all()
    assert not shown[:12].any()
    assert not shown[24:].any()


def test_sound_is_as_long_as_the_picture_quiet_and_never_silent(tmp_path: Path) -> None:
    path = rendered(tmp_path, request_for(audio=True, frames=48, setting="the sea in a storm"))

    with av.open(str(path)) as clip:
        audio = clip.streams.audio[0]
        assert (audio.codec_context.name, audio.codec_context.sample_rate, audio.codec_context.channels) == (
            "aac",
            48000,
            2,
        )
        samples = np.concatenate([frame.to_ndarray() for frame in clip.decode(audio)], axis=1)
    assert abs(samples.shape[1] - 96000) <= 1024
    level = 10 * np.log10(np.mean(samples[:, :96000] ** 2))
    assert -34 < level < -22
    assert np.abs(samples).max() < 0.9
    windows = samples[:, 2400:93600].reshape(2, -1, 2400)
    assert np.sqrt((windows**2).mean(axis=2)).min() > 1e-4


def test_a_take_without_sound_has_no_audio_stream(tmp_path: Path) -> None:
    with av.open(str(rendered(tmp_path, request_for(audio=False)))) as clip:
        assert not clip.streams.audio


@pytest.mark.parametrize("move", ["static", "push-in", "pan-left", "handheld", "roll", "orbit-right"])
def test_a_shot_starts_with_its_first_frame(tmp_path: Path, move: str) -> None:
    file = painted_file(tmp_path / "first.png")
    request = request_for(first_frame=PICTURE, move=move, width=640, height=360, shot_id="", size="", frames=4)

    start = frames_of(rendered(tmp_path, request, images={PICTURE.sha256: file}), "gray")[0]

    assert ssim(start[60:], covered(file, 640, 360)[60:]) > 0.95


def test_a_shot_between_two_frames_starts_with_the_one_and_ends_with_the_other(tmp_path: Path) -> None:
    one, two = painted_file(tmp_path / "one.png", 3), painted_file(tmp_path / "two.png", 4)
    request = request_for(
        first_frame=PICTURE,
        last_frame=OTHER,
        mode=Mode.FIRST_LAST_FRAME,
        move="push-in",
        width=640,
        height=360,
        frames=12,
    )

    pictures = frames_of(rendered(tmp_path, request, images={PICTURE.sha256: one, OTHER.sha256: two}), "gray")

    assert ssim(pictures[0][60:], covered(one, 640, 360)[60:]) > 0.95
    assert ssim(pictures[-1][60:], covered(two, 640, 360)[60:]) > 0.95
    assert ssim(pictures[6], covered(one, 640, 360)) < 0.9


@pytest.mark.parametrize("model", ["painted", "pencil"])
@pytest.mark.parametrize("pictured", [False, True])
def test_the_clean_last_frame_is_the_clips_last_frame_without_its_text(
    tmp_path: Path, model: str, pictured: bool
) -> None:
    file = painted_file(tmp_path / "first.png")
    changes: dict[str, Any] = {"first_frame": PICTURE} if pictured else {"figures": (Figure(id="a", name="Ana"),)}
    speech = Speech(speaker="narrator", text="Good evening.", start_s=0.1, end_s=0.5)
    request = request_for(width=640, height=360, size="medium", move="push-in", dialogue=(speech,), **changes)
    out = tmp_path / "take.mp4"

    made = AnimaticEngine().render(model, request, {PICTURE.sha256: file}, out, lambda _: None, last_frame=True)

    assert made.last_frame == tmp_path / "take.last.png"
    last, clean = frames_of(out)[-1].astype(float), bgr_of(made.last_frame).astype(float)
    assert clean.shape == last.shape
    off = np.abs(cv2.GaussianBlur(last - clean, (0, 0), 2)).max(axis=2)
    foot, slate, middle = off[300:350, 200:440], off[14:40, 30:190], off[80:220]
    assert middle.mean() < 4.5
    assert foot.max() > 30
    assert slate.max() > 30
    if not pictured:  # the text is gone: what stands there now is the place, as without dialogue and name
        bare = request.model_copy(update={"dialogue": (), "shot_id": "", "figures": (Figure(id="a", name=""),)})
        again = AnimaticEngine().render(model, bare, {}, tmp_path / "bare.mp4", lambda _: None, last_frame=True)
        assert np.array_equal(bgr_of(again.last_frame), clean.astype(np.uint8))


def test_a_picture_that_is_missing_or_broken_is_one_clear_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")

    with pytest.raises(EngineError, match="missing"):
        rendered(tmp_path, request_for(first_frame=PICTURE))
    with pytest.raises(EngineError, match="no picture"):
        rendered(tmp_path, request_for(first_frame=PICTURE), images={PICTURE.sha256: broken})


def test_an_unknown_model_and_an_odd_size_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as unknown:
        rendered(tmp_path, request_for(), "oil")
    with pytest.raises(EngineError) as odd:
        rendered(tmp_path, request_for(width=161))

    assert "painted, pencil" in unknown.value.remedy
    assert odd.value.remedy
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("when", [0.0, 0.4])
def test_an_abort_leaves_nothing_behind(tmp_path: Path, when: float) -> None:
    class StoppedError(Exception):
        pass

    def stop(done: float) -> None:
        if done >= when:
            raise StoppedError

    with pytest.raises(StoppedError):
        AnimaticEngine().render("painted", request_for(frames=24, audio=True), {}, tmp_path / "take.mp4", stop)

    assert not list(tmp_path.iterdir())


def test_progress_rises_from_nothing_to_all(tmp_path: Path) -> None:
    told: list[float] = []

    AnimaticEngine().render("painted", request_for(frames=24), {}, tmp_path / "take.mp4", told.append)

    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert len(told) > 4


def test_a_folder_that_is_gone_is_an_engine_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="can't be written"):
        AnimaticEngine().render("painted", request_for(), {}, tmp_path / "gone" / "take.mp4", lambda _: None)


def test_a_beam_sweeps_through_the_lantern_room(tmp_path: Path) -> None:
    setting = "the round glass room at the top of the lighthouse at night"
    pictures = grey(tmp_path, setting=setting, action="", prompt="", frames=48, shot_id="")

    panes = np.concatenate([pictures[:, 30:110, 10:60], pictures[:, 30:110, 260:310]], axis=2).mean(axis=(1, 2))

    assert np.ptp(panes) > 4
    assert np.abs(np.diff(panes)).max() < 2.5


def test_on_open_water_a_figure_and_its_boat_ride_the_sea(tmp_path: Path) -> None:
    figure = Figure(id="a", name="", palette=("#8e24aa", "#8e24aa"), action="looks around")
    pictures = frames_of(
        rendered(tmp_path, request_for(setting="the open sea", width=640, height=360, figures=(figure,), frames=48))
    ).astype(int)

    blue, green, red = np.moveaxis(pictures, 3, 0)
    rows = [float(np.nonzero(mask)[0].mean()) for mask in (red - green > 25) & (blue - green > 25)]

    assert max(rows) - min(rows) > 3
