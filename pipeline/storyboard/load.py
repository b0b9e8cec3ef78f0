"""Loading a storyboard: one file in, a checked storyboard out, or every problem at once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pipeline.errors import Problem, StoryboardError
from pipeline.storyboard import nodes
from pipeline.storyboard.crosscheck import Finding, crosscheck
from pipeline.storyboard.images import CheckedImage, ImageRefusedError, check_image
from pipeline.storyboard.json_reader import read_json
from pipeline.storyboard.nodes import Node, UnreadableError, dotted
from pipeline.storyboard.nodes import Path as Field
from pipeline.storyboard.schema import Storyboard
from pipeline.storyboard.validate import MAX_FAULTS, Outcome, validate
from pipeline.storyboard.yaml_reader import read_yaml

MAX_BYTES = 4 * 2**20
READERS = MappingProxyType({".yaml": read_yaml, ".yml": read_yaml, ".json": read_json})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class LoadedStoryboard:
    """A storyboard that passed every check.

    Attributes:
        storyboard: The model.
        path: The file as the person named it.
        folder: The folder that its paths are relative to, absolute.
        warnings: What is odd, but can be rendered.
        images: Each picture's path as written to its absolute path.
        content_hash: SHA-256 over the model and the pictures' bytes; the same however the file is written.
    """

    storyboard: Storyboard
    path: Path
    folder: Path
    warnings: tuple[Problem, ...]
    images: Mapping[str, Path]
    content_hash: str


def load_storyboard(path: Path) -> LoadedStoryboard:
    """Read and check a storyboard.

    Args:
        path: A YAML or JSON file.

    Raises:
        StoryboardError: With all problems of the file, each with its place and remedy.
    """
    root = read_nodes(path)
    report = _Report(str(path), root)
    data = nodes.to_data(root, (), report.at_node)
    _refuse_foreign(data, report)
    outcome = validate(root, data)
    for fault in outcome.faults:
        report.at(fault.path, fault.message, fault.remedy, at_key=fault.at_key)
    images: dict[str, CheckedImage] = {}
    if outcome.storyboard is not None:
        for finding in crosscheck(outcome.storyboard):
            if not _doubtful(finding, outcome):
                report.finding(finding)
        images = _check_images(outcome, path.parent, report)
    report.raise_errors()
    if outcome.storyboard is None:  # pragma: no cover - without a model there is at least one fault
        raise AssertionError
    return LoadedStoryboard(
        storyboard=outcome.storyboard,
        path=path,
        folder=path.parent.absolute(),
        warnings=tuple(report.warnings),
        images=MappingProxyType({written: image.path for written, image in images.items()}),
        content_hash=content_hash(outcome.storyboard, {name: image.sha256 for name, image in images.items()}),
    )


def content_hash(storyboard: Storyboard, image_hashes: Mapping[str, str]) -> str:
    """Return the SHA-256 of a storyboard's content, as hexadecimal digits.

    Args:
        storyboard: The model.
        image_hashes: Each picture's path as written to the SHA-256 of its bytes.
    """
    content = {"storyboard": storyboard.model_dump(mode="json"), "images": dict(image_hashes)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_nodes(path: Path) -> Node:
    """Read a YAML or JSON file as nodes, without asking what it means.

    Raises:
        StoryboardError: If it can't be read, with one problem.
    """
    try:
        return READERS.get(path.suffix.lower(), _no_format)(_text(path))
    except UnreadableError as error:
        problem = Problem(str(path), error.line, error.column, "", _sentence(error.message), error.remedy)
        raise StoryboardError((problem,)) from error


def _sentence(message: str) -> str:
    return message if message.endswith((".", "?", "!")) else f"{message}."


def _no_format(_text: str) -> Node:
    raise UnreadableError("the name's ending is no format of a storyboard", "Name it .yaml, .yml or .json.")


def _text(path: Path) -> str:
    """Return the file's text; never reads from a device or a pipe, nor more than ``MAX_BYTES``."""
    try:
        _refuse_odd(path.stat())
        # Between the look and the opening the file may have been replaced: open without waiting, look again.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            _refuse_odd(os.fstat(descriptor))
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UnreadableError("the file does not exist", "Check the path.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "impossible path"
        raise UnreadableError(f"the file can't be read: {reason}", "Check path and permissions.") from error
    if len(raw) > MAX_BYTES:
        raise UnreadableError(*_TOO_LARGE)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise UnreadableError("the file is not UTF-8 text", "Save it as UTF-8.", line, column) from error
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        column = control.start() - text.rfind("\n", 0, control.start())
        raise UnreadableError(f"the control character U+{ord(control[0]):04X} is not text", "Remove it.", line, column)
    return text


_TOO_LARGE = (f"the file is larger than {MAX_BYTES // 2**20} MB", "Split the storyboard.")


def _refuse_odd(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError("this is not a regular file", "Name a YAML or JSON file.")
    if status.st_size > MAX_BYTES:
        raise UnreadableError(*_TOO_LARGE)


class _Report:
    """Collects problems, and gives each its place."""

    def __init__(self, file: str, root: Node) -> None:
        self._file = file
        self._root = root
        self._errors: dict[tuple[Field, str], Problem] = {}
        self.warnings: list[Problem] = []

    def at_node(self, node: Node, field: Field, message: str, remedy: str) -> None:
        self._add(field, self._problem(node, field, message, remedy))

    def at(self, field: Field, message: str, remedy: str, *, at_key: bool = False) -> None:
        self._add(field, self._place(field, message, remedy, at_key=at_key))

    def finding(self, finding: Finding) -> None:
        problem = self._place(finding.path, finding.message, finding.remedy)
        if finding.warning:
            self.warnings.append(problem)
        else:
            self._add(finding.path, problem)

    def raise_errors(self) -> None:
        if not self._errors:
            return
        problems = sorted(self._errors.values(), key=lambda problem: (problem.line, problem.column))
        if len(problems) > MAX_FAULTS:
            more = f"more than {MAX_FAULTS} problems; the rest is not listed"
            problems = [*problems[:MAX_FAULTS], Problem(self._file, 0, 0, "", more, "Correct these first.")]
        raise StoryboardError(tuple(problems))

    def _place(self, field: Field, message: str, remedy: str, *, at_key: bool = False) -> Problem:
        node, key, _ = nodes.find(self._root, field)
        return self._problem(key if at_key and key else node, field, message, remedy)

    def _problem(self, node: Node, field: Field, message: str, remedy: str) -> Problem:
        return Problem(self._file, node.line, node.column, dotted(field), _sentence(message), remedy)

    def _add(self, field: Field, problem: Problem) -> None:
        if len(self._errors) <= MAX_FAULTS:
            self._errors.setdefault((field, problem.message), problem)


def _refuse_foreign(data: nodes.Data, report: _Report) -> None:
    if isinstance(data, dict) and "scenes" in data and "shots" not in data:
        report.at((), "this is a storyboard of another tool", "Run: dailies import FILE -o BOARD.yaml")
        report.raise_errors()


def _doubtful(finding: Finding, outcome: Outcome) -> bool:
    """Whether a finding may only come from the repair of something else at fault."""
    return any(_concerns(touched, finding) for touched in outcome.touched)


def _concerns(touched: Field, finding: Finding) -> bool:
    place, relies = finding.path, finding.relies
    if touched[: len(place)] == place or place[: len(touched)] == touched:
        return True
    if touched[0] != "shots":
        return (touched[0] in relies and len(touched) <= 2) or any(piece in relies for piece in touched[1:])
    if len(touched) == 2 or touched[2] == "id":
        return "shots" in relies or touched[1] in finding.shots
    return touched[2] in relies and touched[1] in (*place[1:2], *finding.shots)


def _check_images(outcome: Outcome, folder: Path, report: _Report) -> dict[str, CheckedImage]:
    checked: dict[str, CheckedImage] = {}
    refused: dict[str, ImageRefusedError] = {}
    for field, written in image_fields(outcome.storyboard) if outcome.storyboard else ():
        if field in outcome.touched:
            continue
        if written not in checked and written not in refused:
            try:
                checked[written] = check_image(written, folder)
            except ImageRefusedError as error:
                refused[written] = error
        if written in refused:
            report.at(field, refused[written].message, refused[written].remedy)
    return checked


def image_fields(board: Storyboard) -> list[tuple[Field, str]]:
    """Return every field that names a picture, with the path as written."""
    found: list[tuple[Field, str]] = []

    def add(base: Field, references: tuple[object, ...]) -> None:
        for index, reference in enumerate(references):
            found.append(((*base, "references", index, "path"), str(getattr(reference, "path", ""))))

    add(("style",), board.style.references)
    for section in ("characters", "locations", "props"):
        for name, subject in getattr(board, section).items():
            add((section, name), subject.references)
    for index, shot in enumerate(board.shots):
        add(("shots", index), shot.references)
        for name in ("first_frame", "last_frame"):
            written: str | None = getattr(shot, name)
            if written:
                found.append((("shots", index, name), written))
    return found
