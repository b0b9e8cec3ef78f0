"""Interchange: other tools' boards in, YAML that loads again out."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import Problem, StoryboardError
from pipeline.storyboard import nodes
from pipeline.storyboard.crosscheck import crosscheck
from pipeline.storyboard.interchange import import_board, to_yaml, write_yaml
from pipeline.storyboard.json_reader import read_json
from pipeline.storyboard.load import load_storyboard
from pipeline.storyboard.nodes import UnreadableError
from pipeline.storyboard.prose_camera import camera_in
from pipeline.storyboard.schema import Storyboard
from pipeline.storyboard.validate import validate
from pipeline.storyboard.yaml_reader import read_yaml

VIMAX = Path(__file__).parents[1] / "data" / "vimax"
BARISTA = VIMAX / "barista_coffee_cultures_typeA.json"
CHEF = VIMAX / "chef_international_kitchens_typeA.json"


@pytest.mark.parametrize("path", [BARISTA, CHEF], ids=lambda path: path.stem)
def test_a_vimax_board_is_imported_and_what_is_written_loads_without_a_warning(path: Path, tmp_path: Path) -> None:
    board, warnings = import_board(path)
    write_yaml(board, tmp_path / "board.yaml", "../docs/storyboard.schema.json")

    loaded = load_storyboard(tmp_path / "board.yaml")

    assert warnings == ()
    assert loaded.warnings == ()
    assert loaded.storyboard == board
    assert [shot.id for shot in board.shots] == [f"s{scene}-{shot:02d}" for scene in (1, 2) for shot in range(1, 5)]
    told = [shot for scene in json.loads(path.read_text())["scenes"] for shot in scene["shots"]]
    for shot, source in zip(board.shots, told, strict=True):
        assert source["video_prompt"] in shot.prompt
        assert source["first_frame"] in shot.prompt


def test_the_character_that_recurs_is_described_once_with_its_colours() -> None:
    board, _ = import_board(BARISTA)

    mara = board.characters["mara"]
    assert mara.name == "Mara"
    assert mara.description.startswith("A 28-year-old adult woman barista")
    assert "forest-green button-up shirt" in mara.description
    assert "counter" not in mara.description
    assert "#2b5a3a" in mara.palette
    assert all(shot.characters[0].id == "mara" for shot in board.shots)


def test_places_are_named_and_the_same_place_is_the_same_location() -> None:
    board, _ = import_board(BARISTA)

    assert board.shots[0].location == board.shots[7].location == "modern-coffee-shop"
    assert board.shots[5].location == "minimalist-kitchen-studio"
    assert len(board.locations) == 7


@pytest.mark.parametrize(
    ("prose", "size", "angle", "move", "lens"),
    [
        ("Eye-level medium shot, 35mm lens, static camera. He nods.", "medium", "eye-level", "static", "35mm"),
        ("High-angle wide shot, 24mm lens, gentle right-to-left pan. Steam.", "wide", "high", "pan-left", "24mm"),
        ("Low-angle medium-wide shot, 28mm lens, slight push-in. He rolls.", "medium-wide", "low", "push-in", "28mm"),
        ("Wide shot, 20mm lens, slow backward dolly. She smiles.", "wide", "eye-level", "pull-out", "20mm"),
        ("Macro close-up with a 100mm lens. She paints.", "extreme-close-up", "eye-level", "static", "100mm"),
        (
            "Close-up. She slides the cup to the left; the camera slowly tilts down.",
            "close-up",
            "eye-level",
            "tilt-down",
            "",
        ),
        ("Over-the-shoulder medium shot. She waits.", "medium", "over-the-shoulder", "static", ""),
        ("She waits.", "medium", "eye-level", "static", ""),
    ],
)
def test_the_camera_is_read_from_prose(prose: str, size: str, angle: str, move: str, lens: str) -> None:
    camera = camera_in(prose)

    assert (camera.size, camera.angle, camera.move, camera.lens) == (size, angle, move, lens)


def test_faults_in_a_vimax_board_are_all_named_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    path.write_text('{"scenes": [\n {"shots": [{"first_frame": "x"},\n  7]},\n {"shots": 3}]}')

    with pytest.raises(StoryboardError) as caught:
        import_board(path)

    assert [(problem.field, problem.line) for problem in caught.value.problems] == [
        ("scenes[0].shots[0].video_prompt", 2),
        ("scenes[0].shots[1]", 3),
        ("scenes[1]", 4),
    ]


def test_shot_ids_stay_unique_when_scene_numbers_repeat(tmp_path: Path) -> None:
    shot = {"shot_id": 1, "first_frame": "A hill.", "video_prompt": "Wide shot. Wind."}
    path = tmp_path / "board.json"
    path.write_text(json.dumps({"scenes": [{"scene_num": 1, "shots": [shot]}] * 2}))

    board, warnings = import_board(path)

    assert len({one.id for one in board.shots}) == 2
    assert "character" in warnings[0].message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"schema_version": 1}', "already"),
        ('{"a": 1}', "no storyboard"),
        ("[]", "no storyboard"),
        ('{"scenes": [{"shots": []}]}', "no scene has a shot"),
    ],
)
def test_another_format_is_refused_with_one_clear_error(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "board.json"
    path.write_text(text)

    with pytest.raises(StoryboardError) as caught:
        import_board(path)

    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0].message


# --- any storyboard ---------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn"), exclude_characters="\ufeff"), max_size=40),
    st.text(st.sampled_from(" ab:#-\n\t'\"\\{}[]&*!|>%@`,?~.0x1e_"), max_size=40),
    st.sampled_from(["no", "null", "~", "010", "1e5", ".nan", "<<", "- a", "a: b", "# x", "true", "0x1F", "", " "]),
    st.lists(st.sampled_from(["word", "another", "-", "#hash", "colon:", ""]), max_size=60).map(" ".join),
    st.lists(st.sampled_from(["a line", "", "long " * 30 + "line", " indented"]), max_size=5).map("\n".join),
)
LINES = TEXTS.map(lambda text: text.replace("\n", " ")[:300])
IDS = st.one_of(
    st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,12}\Z"), st.sampled_from(["no", "1", "1.5", "0x1F", "null"])
)
NUMBERS = st.floats(0, 1, allow_nan=False)
PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**14), 10**14),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(LINES, inner, max_size=3)),
    max_leaves=6,
)
SUBJECTS = st.dictionaries(
    IDS,
    st.fixed_dictionaries(
        {},
        optional={
            "name": LINES,
            "description": TEXTS,
            "palette": st.lists(st.from_regex(r"\A#[0-9a-f]{6}\Z"), max_size=3),
        },
    ),
    max_size=3,
)
SHOTS = st.fixed_dictionaries(
    {"id": IDS, "prompt": TEXTS.filter(bool)},
    optional={
        "scene": LINES,
        "location": IDS,
        "camera": st.fixed_dictionaries({}, optional={"size": LINES, "move": LINES, "lens": LINES}),
        "characters": st.lists(
            st.fixed_dictionaries({"id": IDS}, optional={"action": TEXTS, "emotion": LINES}), max_size=2
        ),
        "dialogue": st.lists(st.fixed_dictionaries({"text": TEXTS.filter(bool), "speaker": LINES}), max_size=2),
        "transition": st.fixed_dictionaries(
            {"kind": st.sampled_from(["cut", "fade"])}, optional={"duration_s": NUMBERS}
        ),
        "seed": st.one_of(st.none(), st.integers(0, 2**31 - 1)),
        "guidance": NUMBERS,
        "variables": st.dictionaries(IDS, TEXTS, max_size=2),
        "parameters": st.dictionaries(LINES, st.dictionaries(LINES, PLAIN, max_size=2), max_size=2),
        "enabled": st.booleans(),
        "notes": TEXTS,
    },
)
BOARDS = st.fixed_dictionaries(
    {"schema_version": st.just(1), "id": IDS, "shots": st.lists(SHOTS, min_size=1, max_size=3)},
    optional={
        "title": LINES,
        "notes": TEXTS,
        "characters": SUBJECTS,
        "variables": st.dictionaries(IDS, TEXTS, max_size=2),
        "deliverables": st.lists(
            st.fixed_dictionaries({"fps": st.sampled_from([24, 24.0, 29.97, "30000/1001", "25"])}),
            min_size=1,
            max_size=2,
        ),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BOARDS)
def test_any_storyboard_comes_back_equal_from_its_yaml(content: dict[str, Any]) -> None:
    board = Storyboard.model_validate(content)

    root = read_yaml(to_yaml(board, "schema.json"))
    outcome = validate(root, nodes.to_data(root, (), lambda *fault: pytest.fail(str(fault))))

    assert outcome.faults == ()
    assert outcome.storyboard == board
    assert outcome.storyboard is not None
    assert outcome.storyboard.model_dump_json() == board.model_dump_json()


@pytest.mark.parametrize(
    "notes", ["word  " * 40 + "end", " " + "word " * 40, "word " * 40, "a\n\n" + "word " * 40 + "end"]
)
def test_blanks_in_long_texts_survive(notes: str) -> None:
    board = Storyboard.model_validate(
        {"schema_version": 1, "id": "a", "shots": [{"id": "a", "prompt": "x"}], "notes": notes}
    )

    root = read_yaml(to_yaml(board))

    assert validate(root, nodes.to_data(root, (), lambda *fault: pytest.fail(str(fault)))).storyboard == board


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BOARDS)
def test_the_checks_across_fields_end_for_any_storyboard(content: dict[str, Any]) -> None:
    board = Storyboard.model_validate(content)

    assert all(finding.message and finding.remedy for finding in crosscheck(board))


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(st.sampled_from("{}[]:,-&*!|>'\"%@# \n\tab1.\\x?~<"), max_size=60).map(str.encode),
    )
)
def test_arbitrary_bytes_raise_nothing_but_a_storyboard_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()

    for name in ("any.yaml", "any.json"):
        (folder / name).write_bytes(raw)
        with pytest.raises(StoryboardError):
            load_storyboard(folder / name)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_storyboard_with_something_replaced_raises_nothing_but_a_storyboard_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content: Any = json.loads(json.dumps(data.draw(BOARDS)))
    at = content
    while isinstance(at, dict | list) and at:
        key = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else list(range(len(at)))))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            at[key] = data.draw(PLAIN)
            break
        at = at[key]
    path = tmp_path_factory.getbasetemp() / "replaced.json"
    path.write_text(json.dumps(content))

    found: tuple[Problem, ...] = ()
    try:
        load_storyboard(path)
    except StoryboardError as error:
        found = error.problems

    assert all(problem.message and problem.remedy for problem in found)


@settings(deadline=None)
@given(PLAIN)
def test_our_json_reader_reads_what_the_standard_library_writes(value: Any) -> None:
    root = read_json(json.dumps(value, indent=1))

    assert nodes.to_data(root, (), lambda *fault: pytest.fail(str(fault))) == value


@given(st.text(st.sampled_from('{}[]:,"\\u019eE+-. \ntruefalsn'), max_size=30))
def test_our_json_reader_accepts_exactly_what_the_standard_librarys_does(text: str) -> None:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(text, parse_constant=refuse)
        valid = True
    except ValueError:
        valid = False

    try:
        read_json(text)
        assert valid
    except UnreadableError:
        assert not valid
