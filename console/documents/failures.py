"""The JSON document of an error."""

from __future__ import annotations

from typing import Any

from pipeline.errors import DailiesError, Problem, StoryboardError


def failure(error: DailiesError) -> dict[str, Any]:
    """Return the document of an error; ``problems`` is there for storyboards only."""
    document: dict[str, Any] = {
        "what": error.what,
        "where": error.where,
        "remedy": error.remedy,
        "exit_code": error.exit_code,
    }
    if isinstance(error, StoryboardError):
        document["problems"] = [problem(each) for each in error.problems]
    return {"error": document}


def other(what: str, *, where: str = "", remedy: str = "", exit_code: int) -> dict[str, Any]:
    """Return the document of an end that is no error of the domain."""
    return {"error": {"what": what, "where": where, "remedy": remedy, "exit_code": exit_code}}


def problem(fault: Problem) -> dict[str, Any]:
    """Return one fault of a file; ``line`` and ``column`` are 0 where it has no place."""
    return {
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "field": fault.field,
        "message": fault.message,
        "remedy": fault.remedy,
    }
