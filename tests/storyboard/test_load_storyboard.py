"""Loading: what a person writes is understood, and what is wrong is named with its place."""

import json
import os
import pickle
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import EXIT_BAD_INPUT, Problem, StoryboardError
from pipeline.storyboard.load import LoadedStoryboard, load_storyboard
from pipeline.storyboard.schema import Mode

HEAD = "schema_version: 1\nid: film\n"
SHOT = "  - {id: a, prompt: a hill"


def written(folder: Path, text: str | bytes, name: str = "board.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def load(folder: Path, text: str | bytes, name: str = "board.yaml") -> LoadedStoryboard:
    return load_storyboard(written(folder, text, name))


def problems(folder: Path, text: str | bytes, name: str = "board.yaml") -> dict[str, Problem]:
    with pytest.raises(StoryboardError) as caught:
        load(folder, text, name)
    assert all(problem.remedy for problem in caught.value.problems)
    assert all(problem.file.endswith(name) for problem in caught.value.problems)
    return {problem.field: problem for problem in caught.value.problems}


def picture(folder: Path, name: str = "hill.png", kind: str = "PNG") -> str:
    Image.new("RGB", (16, 9), "teal").save(folder / name, kind)
    return name


def test_yaml_and_json_of_the_same_content_are_the_same_storyboard(tmp_path: Path) -> None:
    content = {"schema_version": 1, "id": "film", "shots": [{"id": "a", "prompt": "a hill", "duration_s": 2}]}

    one = load(tmp_path, json.dumps(content, indent=2), "board.json")
    other = load(tmp_path, HEAD + "shots:\n  - id: a\n    duration_s: 2.0\n    prompt: a hill\n", "board.yml")

    assert one.storyboard == other.storyboard
    assert one.content_hash == other.content_hash
    assert other.warnings == ()
    assert other.folder == tmp_path


def test_the_content_hash_changes_with_the_model_and_with_a_pictures_bytes(tmp_path: Path) -> None:
    text = f"{HEAD}shots:\n{SHOT}, first_frame: {picture(tmp_path)}}}\n"
    first = load(tmp_path, text)

    Image.new("RGB", (16, 9), "red").save(tmp_path / "hill.png")
    repainted = load(tmp_path, text)
    reworded = load(tmp_path, text.replace("a hill", "a dale"))

    assert first.images == {"hill.png": tmp_path / "hill.png"}
    assert len({first.content_hash, repainted.content_hash, reworded.content_hash}) == 3


def test_all_problems_are_named_in_one_go_each_with_its_line_and_column(tmp_path: Path) -> None:
    text = """schema_version: 1
id: film
fps: 24
characters:
  mara: {palete: ['#ffffff']}
shots:
  - id: a
    prompt: one
    tier: standrd
    location: coast
    duration_s: -3
  - id: a
    promt: two
    continues: nobody
    references: [{path: ../x.png}]
"""

    found = problems(tmp_path, text)

    assert {field: (problem.line, problem.column) for field, problem in found.items()} == {
        "fps": (3, 1),
        "characters.mara.palete": (5, 10),
        "shots[0].tier": (9, 11),
        "shots[0].location": (10, 15),
        "shots[0].duration_s": (11, 17),
        "shots[1].prompt": (12, 5),
        "shots[1].id": (12, 9),
        "shots[1].promt": (13, 5),
        "shots[1].continues": (14, 16),
        "shots[1].references[0].path": (15, 25),
    }
    assert "Did you mean 'palette'?" in found["characters.mara.palete"].remedy
    assert "Did you mean 'standard'?" in found["shots[0].tier"].remedy
    assert "draft, speed, standard" in found["shots[0].tier"].message
    assert "Did you mean 'prompt'?" in found["shots[1].promt"].remedy
    assert "deliverables" in found["fps"].remedy


def test_the_error_says_where_in_one_line_per_problem_and_survives_pickling(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEAD}shots:\n{SHOT}, tier: gold}}\n")
    with pytest.raises(StoryboardError) as caught:
        load_storyboard(path)

    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - made in the same line

    assert str(again) == str(caught.value)
    assert str(again).startswith(f"{path}:4:35: shots[0].tier:")
    assert again.exit_code == EXIT_BAD_INPUT


@pytest.mark.parametrize(
    ("shot", "field", "hint"),
    [
        ("mode: text-to-vidoe", "shots[0].mode", "text-to-video"),
        ("transition: {kind: crosfade}", "shots[0].transition.kind", "crossfade"),
        ("characters: [mara]", "shots[0].characters[0]", "{id: mara}"),
        ("characters: [{id: bob}]", "shots[0].characters[0].id", "characters"),
        ("props: [boat]", "shots[0].props[0]", "props"),
        ("continues: a", "shots[0].continues", "another"),
        ("template: look", "shots[0].template", "templates"),
        ("mode: first-last-frame", "shots[0].mode", "mode"),
        ("mode: image-to-video", "shots[0].mode", "first_frame"),
        ("last_frame: x.png", "shots[0].last_frame", ""),
        ("duration_s: 2, dialogue: [{text: Hi, start_s: 3}]", "shots[0].dialogue[0].start_s", "longer"),
        ("duration_s: 2, dialogue: [{text: Hi, end_s: 3}]", "shots[0].dialogue[0].end_s", "longer"),
        ("dialogue: [{text: Hi, start_s: 2, end_s: 1}]", "shots[0].dialogue[0].end_s", "later"),
        ("models: {pin: m, deny: [m]}", "shots[0].models.pin", "one of the two"),
        ("models: {pin: m, allow: [n]}", "shots[0].models.pin", "allow"),
        ("enabled: false", "shots", "enabled"),
        ("duration_s: 1, transition: {kind: fade, duration_s: 2}", "shots[0].duration_s", "longer"),
        ("seed: 99999999999", "shots[0].seed", "2,147,483,647 or less"),
        ("candidates: 2.5", "shots[0].candidates", "whole"),
        ("guidance: .nan", "shots[0].guidance", "finite"),
        ("max_cost_usd: 1e999", "shots[0].max_cost_usd", "smaller"),
        ("negative_prompt: 12.50", "shots[0].negative_prompt", "'12.50'"),
        ("camera: wide", "shots[0].camera", "{size: wide}"),
        ("camera: push-in", "shots[0].camera", "{move: push-in}"),
        ("camera: low", "shots[0].camera", "{angle: low}"),
        ("camera: somehow", "shots[0].camera", "{move: somehow}"),
        ("transition: crossfade", "shots[0].transition", "{kind: crossfade}"),
        ("references: [hill.png]", "shots[0].references[0]", "{path: hill.png}"),
        ("quality: {skip: [blck]}", "shots[0].quality.skip[0]", "Did you mean 'black'?"),
        ("quality: {thresholds: {sharpnes: 3}}", "shots[0].quality.thresholds.sharpnes", "audio_length"),
        ("id: b", "shots[0].id", "Keep one"),
        ("parameters: {x: {a: [[[[[[[1]]]]]]]}}", "shots[0].parameters", "flat"),
        ("variables: {prompt: x}", "shots[0].variables.prompt", "another name"),
        ("style: !!python/name:os.system x", "shots[0].style", "tag"),
        ("first_frame: missing.png", "shots[0].first_frame", "add the file"),
        ("prompt2: x", "shots[0].prompt2", "prompt"),
    ],
)
def test_a_fault_in_a_shot_is_named_with_its_field_and_remedy(tmp_path: Path, shot: str, field: str, hint: str) -> None:
    found = problems(tmp_path, f"{HEAD}shots:\n{SHOT}, {shot}}}\n")

    assert field in found, list(found)
    assert found[field].line == 4
    assert hint in found[field].remedy


@pytest.mark.parametrize(
    ("top", "field"),
    [
        ("deliverables: [{name: a}, {name: A}]", "deliverables[1].name"),
        ("deliverables: [{fps: 1e999}]", "deliverables[0].fps"),
        ("deliverables: [{fps: '1e999999999'}]", "deliverables[0].fps"),
        ("deliverables: [{fps: [24]}]", "deliverables[0].fps"),
        ("deliverables: [{resolution: 9999p}]", "deliverables[0]"),
        ("deliverables: []", "deliverables"),
        ("style: {palette: [red]}", "style.palette[0]"),
        ("style:\n  palette:\n    - #aabbcc\n", "style.palette[0]"),
        ("templates: {t: {text: 'a {b.c}'}}", "templates.t.text"),
        ("templates: {t: {text: '{x}'}}\ndefaults: {template: t}", "shots[0]"),
        ("defaults: {template: t}", "defaults.template"),
        ("ending: {kind: crossfade}", "ending.kind"),
        ("characters: {'a b': {}}", "characters.a b"),
        ("title: true", "title"),
        ("notes:", "notes"),
        ("<<: {title: x}", ""),
        ("title: [a, b]", "title"),
    ],
)
def test_a_fault_above_the_shots_is_named_with_its_field(tmp_path: Path, top: str, field: str) -> None:
    found = problems(tmp_path, f"{HEAD}{top}\nshots:\n{SHOT}}}\n")

    assert list(found) == [field]


def test_shots_that_continue_each_other_in_a_circle_are_named(tmp_path: Path) -> None:
    shots = "".join(f"  - {{id: {one}, prompt: x, continues: {other}}}\n" for one, other in ("ab", "bc", "ca", "da"))

    found = problems(tmp_path, f"{HEAD}shots:\n{shots}")

    assert list(found) == ["shots[0].continues"]
    assert "a -> b -> c -> a" in found["shots[0].continues"].message


def test_continuing_a_shot_that_is_left_out_is_an_error(tmp_path: Path) -> None:
    shots = "  - {id: a, prompt: x, enabled: false}\n  - {id: b, prompt: y, continues: a}\n"

    assert list(problems(tmp_path, f"{HEAD}shots:\n{shots}")) == ["shots[1].continues"]


def test_a_crossfade_needs_room_in_both_shots_together_with_the_next_one(tmp_path: Path) -> None:
    def board(middle_s: float) -> str:
        fade = "transition: {kind: crossfade, duration_s: 1}"
        return (
            f"{HEAD}shots:\n  - {{id: a, prompt: x}}\n  - {{id: b, prompt: x, duration_s: {middle_s}, {fade}}}\n"
            f"  - {{id: c, prompt: x, {fade}}}\n"
        )

    assert list(problems(tmp_path, board(1.9))) == ["shots[1].duration_s"]
    assert load(tmp_path, board(2.0)).storyboard.shots[1].duration_s == 2.0


def test_unknown_camera_words_warn_and_known_ones_in_other_words_do_not(tmp_path: Path) -> None:
    loaded = load(tmp_path, f"{HEAD}shots:\n{SHOT}, camera: {{move: psuh in, size: CU, angle: zzz}}}}\n")

    fields = {warning.field: warning for warning in loaded.warnings}
    assert list(fields) == ["shots[0].camera.move", "shots[0].camera.angle"]
    assert "push-in" in fields["shots[0].camera.move"].remedy
    assert (fields["shots[0].camera.move"].line, fields["shots[0].camera.move"].column) == (4, 44)


def test_whole_numbers_where_text_is_meant_are_taken_as_text_if_they_are_unambiguous(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, f"{HEAD}title: 1984\nshots:\n  - {{id: 1, prompt: x}}\n  - {{id: 2, prompt: x, continues: 1}}\n"
    )
    ambiguous = problems(tmp_path, f"{HEAD}shots:\n  - {{id: 010, prompt: x}}\n")

    assert [shot.id for shot in loaded.storyboard.shots] == ["1", "2"]
    assert loaded.storyboard.title == "1984"
    assert "'010'" in ambiguous["shots[0].id"].remedy


@pytest.mark.parametrize("rate", ["24", "24.0", "29.97", '"30000/1001"', "30000/1001"])
def test_frame_rates_may_be_written_as_people_write_them(tmp_path: Path, rate: str) -> None:
    loaded = load(tmp_path, f"{HEAD}deliverables: [{{fps: {rate}, aspect_ratio: 16:9}}]\nshots:\n{SHOT}}}\n")

    assert 23 < loaded.storyboard.deliverables[0].rate < 30


def test_a_template_with_all_its_variables_is_fine_and_a_variable_that_nothing_uses_warns(tmp_path: Path) -> None:
    top = "templates: {t: {text: '{prompt} in {weather}'}}\nvariables: {weather: rain}\n"
    loaded = load(tmp_path, f"{HEAD}{top}shots:\n{SHOT}, template: t, variables: {{wether: sun}}}}\n")

    assert [warning.field for warning in loaded.warnings] == ["shots[0].variables.wether"]


def test_a_continued_shot_with_a_last_frame_is_first_last_frame(tmp_path: Path) -> None:
    shots = f"{SHOT}}}\n  - {{id: b, prompt: x, continues: a, last_frame: {picture(tmp_path)}}}\n"
    board = load(tmp_path, f"{HEAD}shots:\n{shots}").storyboard

    assert board.mode_of(board.shots[1]) is Mode.FIRST_LAST_FRAME


# --- pictures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../hill.png",
        "/etc/hostname",
        "http://localhost/a.png",
        "file:///a.png",
        "a/../../b.png",
        "~/a.png",
        "C:\\\\a.png",
        "//h/a",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    picture(tmp_path)

    found = problems(home, f'{HEAD}shots:\n{SHOT}, first_frame: "{path}"}}\n')

    assert list(found) == ["shots[0].first_frame"]


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "hill.png").symlink_to(tmp_path / picture(tmp_path))

    found = problems(home, f"{HEAD}shots:\n{SHOT}, first_frame: hill.png}}\n")

    assert "link" in found["shots[0].first_frame"].message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pictures_are_known_by_content_whatever_their_name(tmp_path: Path, kind: str) -> None:
    picture(tmp_path, "picture.dat", kind)

    assert "picture.dat" in load(tmp_path, f"{HEAD}shots:\n{SHOT}, first_frame: picture.dat}}\n").images


def test_what_is_no_picture_or_is_cut_short_or_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:1500])
    Image.new("1", (10_000, 6_000)).save(tmp_path / "huge.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "old.gif")
    (tmp_path / "folder.png").mkdir()
    names = ("text.png", "cut.png", "huge.png", "old.gif", "folder.png")

    found = problems(
        tmp_path, HEAD + "shots:\n" + SHOT + ", references: [" + ", ".join(f"{{path: {n}}}" for n in names) + "]}\n"
    )

    assert list(found) == [f"shots[0].references[{index}].path" for index in range(len(names))]


# --- hostile files ----------------------------------------------------------------------------------

BILLION = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (BILLION, "b.yaml", "more than"),
        ("a: &a [*a]", "b.yaml", "complete above"),
        ("[" * 100_000, "b.yaml", "deeper"),
        ("[" * 100_000, "b.json", "deeper"),
        ('{"a":' * 100_000, "b.json", "deeper"),
        ("- " * 10_000, "b.yaml", "deeper"),
        ("a: 1\n---\nb: 2\n", "b.yaml", "second document"),
        (b"a: \xff\n", "b.yaml", "UTF-8"),
        ("a: \x00\n", "b.yaml", "U+0000"),
        ("a: \x1b[31m\n", "b.yaml", "U+001B"),
        ("", "b.yaml", "empty"),
        ("", "b.json", "empty"),
        ("a: [b\n", "b.yaml", "well-formed"),
        ("a: b: c\n", "b.yaml", "well-formed"),
        ("\ta: b\n", "b.yaml", "well-formed"),
        ('{"a": NaN}', "b.json", "NaN"),
        ('{"a": 1,}', "b.json", "well-formed"),
        ("{'a': 1}", "b.json", "well-formed"),
        ("[1, 2]", "b.json", "a list"),
        ("hello", "b.yaml", "not a storyboard"),
        ("a: b\n", "b.txt", "ending"),
        ('{"scenes": []}', "b.json", "another tool"),
        ("x" * (4 * 2**20 + 1), "b.yaml", "4 MB"),
    ],
)
def test_a_hostile_or_broken_file_gets_one_clear_problem(
    tmp_path: Path, text: str | bytes, name: str, said: str
) -> None:
    found = problems(tmp_path, text, name)

    assert len(found) == 1
    assert said in found[""].message


def test_a_syntax_error_is_named_with_line_and_column(tmp_path: Path) -> None:
    yaml = problems(tmp_path, "a: 1\nb: c: d\n")[""]
    jsn = problems(tmp_path, '{\n  "a": 1\n  "b": 2\n}', "b.json")[""]

    assert (yaml.line, yaml.column) == (2, 5)
    assert (jsn.line, jsn.column) == (3, 3)


def test_duplicate_keys_are_named_in_json_too(tmp_path: Path) -> None:
    found = problems(
        tmp_path, '{"schema_version": 1, "id": "a",\n "id": "b", "shots": [{"id": "a", "prompt": "x"}]}', "b.json"
    )

    assert (found["id"].line, found["id"].column) == (2, 2)


def test_a_huge_file_is_refused_by_its_size_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(10**12)  # sparse: a terabyte that takes no room, and that no one may read

    with pytest.raises(StoryboardError, match="4 MB"):
        load_storyboard(path)


def test_pipes_devices_folders_and_missing_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "device.yaml").symlink_to("/dev/zero")

    for name in ("pipe.yaml", "folder.yaml", "device.yaml", "missing.yaml"):
        with pytest.raises(StoryboardError) as caught:
            load_storyboard(tmp_path / name)
        said = "does not exist" if name == "missing.yaml" else "not a regular file"
        assert [said in problem.message for problem in caught.value.problems] == [True]


def test_a_modest_number_of_aliases_is_fine(tmp_path: Path) -> None:
    shots = "  - {id: a, prompt: x, camera: &wide {size: wide}}\n  - {id: b, prompt: x, camera: *wide }\n"

    board = load(tmp_path, f"{HEAD}shots:\n{shots}").storyboard

    assert board.shots[0].camera == board.shots[1].camera


def test_thousands_of_problems_are_not_all_listed(tmp_path: Path) -> None:
    text = json.dumps({"schema_version": 1, "id": "a", "shots": [{f"x{i}": 1} for i in range(1000)]})

    with pytest.raises(StoryboardError) as caught:
        load(tmp_path, text, "b.json")

    assert len(caught.value.problems) <= 201
    assert "not listed" in caught.value.problems[-1].message


def test_a_film_of_more_than_four_hours_is_refused(tmp_path: Path) -> None:
    shots = [{"id": f"s{i}", "prompt": "x", "duration_s": 120} for i in range(121)]

    found = problems(tmp_path, json.dumps({"schema_version": 1, "id": "a", "shots": shots}), "b.json")

    assert "hours" in found["shots"].message
