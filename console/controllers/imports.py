"""``import``: another tool's storyboard becomes one of Dailies, checked before it is written."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from console import requests
from console.answer import Answer
from console.desk import Desk
from console.documents import imports as documents
from console.views import imports as views
from console.views.failures import problem
from pipeline.errors import InputError
from pipeline.storyboard.interchange import import_board, write_yaml
from pipeline.storyboard.load import load_storyboard

_ENDINGS = (".yaml", ".yml")


def import_file(request: requests.Import, desk: Desk) -> Answer:
    """Bring a storyboard in; an existing file is replaced only with ``--force``.

    Raises:
        StoryboardError: If the file isn't known or has faults.
        InputError: If the storyboard can't be written.
    """
    if request.out.suffix.lower() not in _ENDINGS:
        raise InputError(
            "A storyboard is written as YAML, and this is no name for one.",
            where=str(request.out),
            remedy="Give -o a name that ends with .yaml.",
        )
    storyboard, lost = import_board(request.file)
    for each in lost:
        desk.show(problem(each, style="yellow"))
    folder = request.out.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".dailies-", dir=folder) as scratch:
            part = Path(scratch) / request.out.name
            write_yaml(storyboard, part)
            load_storyboard(part)  # what is handed out can be rendered
            if request.force:
                part.replace(request.out)
            else:
                os.link(part, request.out)  # refuses, in one step, to replace what is there
    except OSError as error:
        raise _refused(error, request.out) from error
    return Answer(
        lambda: documents.imported(storyboard, request.out, lost),
        lambda: views.imported(storyboard, request.out, lost),
    )


def _refused(error: OSError, out: Path) -> InputError:
    if error.errno == errno.EEXIST:
        return InputError(
            "There is a file of this name.", where=str(out), remedy="Name another with -o, or add --force."
        )
    return InputError(
        f"The storyboard can't be written there ({error.strerror}).",
        where=str(out),
        remedy="Name another place with -o, or give this user the right to write there.",
    )
