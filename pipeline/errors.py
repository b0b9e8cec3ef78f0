"""One error tree. An error says what is wrong, where, and what to do about it.

Every class carries the exit code that the command line ends with (design, section 8), keeps its
fields, and survives pickling, so that it can cross a process border unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

EXIT_DELIVERED = 0
EXIT_BAD_INPUT = 2
EXIT_BUDGET = 3
EXIT_NEEDS_ATTENTION = 4
EXIT_ENVIRONMENT = 5


class DailiesError(Exception):
    """Base of every error that a person is shown.

    Args:
        what: What is wrong, one sentence.
        where: The file, field, shot, setting or host it concerns; empty if nowhere in particular.
        remedy: What to do about it, one sentence; empty only if nothing can be done.
    """

    exit_code = EXIT_ENVIRONMENT

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        """Return where, what and remedy in one readable line."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head} {self.remedy}".rstrip() if self.remedy else head

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with keyword fields intact (exceptions pickle only ``args`` by themselves)."""
        return (_rebuild, (type(self), self.args, self.__dict__.copy()))


def _rebuild(cls: type[DailiesError], args: tuple[object, ...], state: dict[str, object]) -> object:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a file that a person wrote.

    Attributes:
        file: The file as the person named it.
        line: 1-based line, 0 when the fault has no place (for example a missing file).
        column: 1-based column, 0 when unknown.
        field: Dotted path of the field, such as ``shots[2].camera.move``; empty for the whole file.
        message: What is wrong.
        remedy: What to write instead.
    """

    file: str
    line: int
    column: int
    field: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return ``file:line:column: field: message remedy``."""
        place = self.file
        if self.line:
            place += f":{self.line}:{self.column}"
        field = f" {self.field}:" if self.field else ""
        return f"{place}:{field} {self.message} {self.remedy}".rstrip()


class InputError(DailiesError):
    """A file or an argument that a person gave is wrong."""

    exit_code = EXIT_BAD_INPUT


class StoryboardError(InputError):
    """A storyboard has one or more problems; all of them are listed at once."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = len(problems)
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in the storyboard",
            where=problems[0].file if problems else "",
            remedy="Correct the lines named and run the command again.",
        )
        self.problems = problems

    def __str__(self) -> str:
        """Return one line per problem."""
        return "\n".join(str(problem) for problem in self.problems)


class UnknownId(InputError):  # noqa: N818 - reads as what it is
    """An id that names no cut, shot or take."""


class BudgetRefused(DailiesError):  # noqa: N818 - the refusal is the outcome, not a fault
    """The quote or a reservation goes beyond a budget or a cap."""

    exit_code = EXIT_BUDGET


class NeedsAttention(DailiesError):  # noqa: N818 - a state, not a fault
    """A cut stopped because a person has to decide something."""

    exit_code = EXIT_NEEDS_ATTENTION


class ConfigurationError(DailiesError):
    """A setting, a registry file or a routing table is wrong or missing."""


class NoModelAvailable(ConfigurationError):  # noqa: N818 - reads as what it is
    """No configured model may serve a shot's tier."""


class BackendUnavailable(DailiesError):  # noqa: N818 - reads as what it is
    """The broker, the database or the storage does not answer."""


class EngineError(DailiesError):
    """An engine could not generate a take."""


class Trouble(StrEnum):
    """What went wrong with a provider; each has one consequence (docs/reliability.md)."""

    TRANSIENT = "transient"
    """It could not be reached or answers nonsense, and nothing was accepted: tried again later."""
    CAPACITY = "capacity"
    """Too much at once: everybody waits for as long as it says, then tries again."""
    REFUSED = "refused"
    """Its moderation refused the content: another model is asked."""
    INVALID = "invalid"
    """It can't do what was asked, whoever asks: another model is asked."""
    OUT_OF_FUNDS = "out_of_funds"
    """Our account there is empty, closed or unknown: another model is asked."""
    RETIRED = "retired"
    """The model is gone: another model is asked."""
    FAILED = "failed"
    """It took the job and could not do it: a new attempt."""
    UNCERTAIN = "uncertain"
    """Nobody knows whether it accepted: looked up where that is possible, else held; never asked again."""


class ProviderError(EngineError):
    """A provider refused, failed, or did not answer.

    Args:
        what: What went wrong, with the provider's own words.
        trouble: What kind of trouble it is.
        where: Engine, model or host.
        remedy: What a person can do.
        retry_after_s: For how long the provider asked to be left alone, in seconds.
    """

    def __init__(
        self, what: str, *, trouble: Trouble, where: str = "", remedy: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.trouble = trouble
        self.retry_after_s = retry_after_s


class MediaError(DailiesError):
    """FFmpeg or a decoder failed on a file.

    Args:
        what: What was being done.
        where: The file concerned.
        log_tail: The last lines of the tool's log.
        remedy: What to do.
    """

    def __init__(self, what: str, *, where: str = "", log_tail: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.log_tail = log_tail

    def __str__(self) -> str:
        """Return the message with the last lines of the log below it."""
        head = super().__str__()
        return f"{head}\n{self.log_tail}" if self.log_tail else head


class IllegalTransition(DailiesError):  # noqa: N818 - reads as what it is
    """A state machine was asked for a move that its table does not have."""


class AnothersJob(DailiesError):  # noqa: N818 - reads as what it is
    """A provider's job that was taken for one take's is known to be another's."""


class StaleLease(DailiesError):  # noqa: N818 - reads as what it is
    """The step was taken over by another worker; this one's result is not used."""


class LedgerConflict(DailiesError):  # noqa: N818 - reads as what it is
    """A take's money was to be moved against what the ledger says of it: a fault of ours, never a person's."""
