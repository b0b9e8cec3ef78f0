"""What the provider is told to do: settings for all jobs, and directives for single ones.

A directive is a word with arguments, ``poll_error status=503 times=2``. Directives reach a job in three ways, the first
that says anything wins: written in its prompt (``[[provider: lose_reply once; truncate]]``), queued by
``POST /_control/script``, or drawn by chance from the settings.
"""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any


class DirectiveError(ValueError):
    """A directive that nobody can follow."""


@dataclass(slots=True)
class Settings:
    """Behaviour towards all jobs; changed at any time by ``POST /_control``.

    Attributes:
        duration_s: How long jobs run: a number, or ``[least, most]`` to be drawn by seed.
        queue_s: How long they are ``queued`` first.
        seed: Of everything drawn.
        chances: Probability of each directive, by its text. At most one per phase comes to pass.
        keys: Account by bearer token; empty: no key is asked for.
        models: Names that are served; empty: any.
        retired: Names that were served once.
        allowed_seconds: Lengths that are offered; empty: any.
        default_fps: Where the request says none.
        price_per_second: Micro-USD.
        price_per_clip: Micro-USD.
        prices: ``{"second": ..., "clip": ...}`` by model, in place of the two above.
        charge_failed: Whether failed jobs are charged.
        charge_refused: Whether jobs that moderation stops are charged.
        charge_refused_input: Whether creates that moderation refuses are charged.
        charge_cancelled: ``no``, ``full`` or ``elapsed`` (the share of its time that the job had run).
        funds_micro_usd: What each account has; None: no end.
        concurrent: Jobs in flight at most per model; None: no limit. By model in ``limits``.
        per_minute: Jobs accepted at most per model in ``window_s``; None: no limit.
        limits: ``{"concurrent": ..., "per_minute": ...}`` by model, in place of the two above.
        window_s: Length of the window of ``per_minute``.
        retry_after_date: Whether Retry-After is an HTTP date rather than seconds.
        idempotent: Whether the ``Idempotency-Key`` header is understood; a list can then be filtered by
            ``idempotency_key``, and jobs tell theirs.
        cancel: ``on``, ``off`` (404) or ``not_allowed`` (405).
        cancelled_status: Status of a cancelled job: ``cancelled``, or ``failed`` with the code ``cancelled``.
        delete: ``cancels`` a running job and removes it, ``removes`` it from sight while it runs on and is charged,
            is ``refused`` (409) while it runs, or ``off`` (405).
        list_jobs: Whether jobs can be listed (404 if not).
        list_lag_s: How long a new job is missing from lists.
        echo: Fields of the request that jobs tell.
        keep_s: How long a clip is kept after the job's end.
        urls: Whether finished jobs have a ``url`` of their own that needs no key.
        url_life_s: How long such a URL is good from the moment it was told.
        ranges: Whether parts of a clip can be asked for.
        sound: Whether clips have sound (unless the request says ``generate_sound=false``).
        outage: Answer everything with this status; 0: no outage.
        outage_retry_after_s: Retry-After of an outage; None: none.
        polls_fail: Answer every poll with this status; 0: none.
        reply_delay_s: Delay of every answer.
    """

    duration_s: float | list[float] = 0.2
    queue_s: float = 0.0
    seed: int = 0
    chances: dict[str, float] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    allowed_seconds: list[str] = field(default_factory=list)
    default_fps: str = "24"
    price_per_second: int = 100_000
    price_per_clip: int = 0
    prices: dict[str, dict[str, int]] = field(default_factory=dict)
    charge_failed: bool = False
    charge_refused: bool = False
    charge_refused_input: bool = False
    charge_cancelled: str = "no"
    funds_micro_usd: int | None = None
    concurrent: int | None = None
    per_minute: int | None = None
    limits: dict[str, dict[str, int]] = field(default_factory=dict)
    window_s: float = 60.0
    retry_after_date: bool = False
    idempotent: bool = False
    cancel: str = "on"
    cancelled_status: str = "cancelled"
    delete: str = "cancels"
    list_jobs: bool = True
    list_lag_s: float = 0.0
    echo: list[str] = field(default_factory=lambda: ["prompt"])
    keep_s: float = 3600.0
    urls: bool = False
    url_life_s: float = 300.0
    ranges: bool = True
    sound: bool = True
    outage: int = 0
    outage_retry_after_s: float | None = None
    polls_fail: int = 0
    reply_delay_s: float = 0.0

    def change(self, changes: dict[str, Any]) -> None:
        """Change some; nothing is changed if one of them is wrong.

        Raises:
            DirectiveError: If a name is unknown, or a choice or directive is.
        """
        known = {known.name for known in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise DirectiveError(f"there is no setting {name!r}; known are {', '.join(sorted(known))}")
            if name in _CHOICES and value not in _CHOICES[name]:
                raise DirectiveError(f"{name} is one of {', '.join(_CHOICES[name])}")
        shares: dict[str, float] = {}
        for text, share in changes.get("chances", {}).items():
            for directive in parse(text):
                shares[directive.phase] = shares.get(directive.phase, 0.0) + share
        if any(share > 1 + 1e-9 for share in shares.values()):
            raise DirectiveError(f"the chances of a phase add up to more than 1: {shares}")
        for name, value in changes.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """Return all of them."""
        return asdict(self)


_CHOICES = {
    "charge_cancelled": ("no", "full", "elapsed"),
    "cancel": ("on", "off", "not_allowed"),
    "cancelled_status": ("cancelled", "failed"),
    "delete": ("cancels", "removes", "refused", "off"),
}

# Each directive: the phase it belongs to, and its arguments with their defaults. ``times`` is how often it happens to
# one job (0: always); ``once`` and ``count=N`` are how many creates with the same prompt it happens to (0: all).
DIRECTIVES: dict[str, tuple[str, dict[str, Any]]] = {
    "ok": ("ok", {}),
    # Before anything is accepted.
    "slow_reply": ("admission", {"s": 1.0}),
    "refuse": ("admission", {"status": 400}),
    "throttle": ("admission", {"after": 1.0, "date": False, "status": 429, "bare": False}),
    "queue_full": ("admission", {"after": 1.0, "date": False, "status": 503}),
    "invalid": ("admission", {"status": 400}),
    "out_of_funds": ("admission", {"status": 429}),
    "retired": ("admission", {"status": 404}),
    "forbidden": ("admission", {"status": 401}),
    "error_before": ("admission", {"status": 500}),
    "reset_before": ("admission", {}),
    # Accepted and in the ledger, but the answer goes wrong.
    "lose_reply": ("reply", {}),
    "reset_reply": ("reply", {}),
    "hang": ("reply", {"s": 3600.0}),
    "error_after": ("reply", {"status": 500}),
    "garbage_reply": ("reply", {}),
    "cut_reply": ("reply", {}),
    # What becomes of the job.
    "slow": ("job", {"s": 60.0}),
    "stuck": ("job", {}),
    "fail": ("job", {"code": "server_error", "after": None}),
    "refuse_job": ("job", {"code": "moderation_blocked", "after": None}),
    # What polls say.
    "poll_error": ("poll", {"status": 500, "times": 1}),
    "poll_throttle": ("poll", {"after": 1.0, "date": False, "times": 1}),
    "poll_garbage": ("poll", {"times": 1}),
    "poll_hang": ("poll", {"s": 3600.0, "times": 1}),
    "poll_reset": ("poll", {"times": 1}),
    "poll_missing": ("poll", {"times": 1}),
    "poll_strange": ("poll", {"status": "paused", "times": 1}),
    "go_back": ("poll", {"times": 1}),
    "list_twice": ("list", {}),
    # What the clip is like.
    "clip": ("clip", {"kind": "good", "mark": ""}),
    # How it is delivered.
    "truncate": ("download", {"times": 1, "keep": 0.5}),
    "cut_off": ("download", {"times": 1, "keep": 0.5}),
    "wrong_type": ("download", {"times": 0, "type": "text/html"}),
    "endless": ("download", {"times": 0, "mb": 256}),
    "huge": ("download", {"times": 0, "mb": 256}),
    "overrun": ("download", {"times": 1, "bytes": 4096}),
    "redirect": ("download", {"times": 0, "to": "http://169.254.169.254/latest/meta-data"}),
    "redirect_file": ("download", {"times": 0}),
    "redirect_loop": ("download", {"times": 0}),
    "download_error": ("download", {"times": 1, "status": 500}),
    "download_hang": ("download", {"times": 1, "s": 3600.0}),
    "drip": ("download", {"times": 0, "bytes_per_s": 2000}),
    "expired": ("download", {"times": 0, "status": 404}),
    "no_ranges": ("download", {"times": 0}),
    "expire_url": ("url", {"times": 1}),
    "url": ("url", {"to": "http://169.254.169.254/latest/meta-data", "times": 0}),
    # The process ends itself.
    "die": ("death", {"at": "after_accept"}),
}
DEATHS = ("before_accept", "after_accept", "after_reply", "on_poll", "on_download")
CLIPS = (
    "good",
    "black",
    "silent",
    "no_sound",
    "frozen",
    "wrong_size",
    "wrong_duration",
    "wrong_fps",
    "corrupt",
    "cut_short",
    "text",
    "empty",
)
_ALWAYS_KNOWN: dict[str, Any] = {"count": 0, "tag": ""}
_WRITTEN = re.compile(r"\[\[\s*provider:(.*?)\]\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Directive:
    """One thing to do."""

    name: str
    arguments: dict[str, Any]

    @property
    def phase(self) -> str:
        """The phase of a job's life that it belongs to."""
        return DIRECTIVES[self.name][0]

    def __str__(self) -> str:
        words = (f"{name}={value}" for name, value in self.arguments.items() if value != _default(self.name, name))
        return " ".join((self.name, *words))


def _default(directive: str, argument: str) -> Any:
    return {**DIRECTIVES[directive][1], **_ALWAYS_KNOWN}[argument]


def parse(text: str) -> list[Directive]:
    """Read directives separated by semicolons.

    Raises:
        DirectiveError: If one is unknown, or has an argument it does not know or can't use.
    """
    return [_parse_one(part) for part in text.split(";") if part.strip()]


def _parse_one(text: str) -> Directive:
    name, *words = text.split()
    if name not in DIRECTIVES:
        raise DirectiveError(f"there is no directive {name!r}; known are {', '.join(DIRECTIVES)}")
    arguments = {**DIRECTIVES[name][1], **_ALWAYS_KNOWN}
    for word in words:
        if word == "once":
            arguments["count"] = 1
            continue
        if word == "always":
            word = "times=0"  # noqa: PLW2901 - shorthand
        key, _, value = word.partition("=")
        if key not in arguments:
            raise DirectiveError(f"{name} knows no {key!r}; it knows {', '.join(arguments)}")
        arguments[key] = _converted(value, arguments[key], f"{name} {word}")
    if name == "die" and arguments["at"] not in DEATHS:
        raise DirectiveError(f"die at one of {', '.join(DEATHS)}")
    if name == "clip" and arguments["kind"] not in CLIPS:
        raise DirectiveError(f"clip kind is one of {', '.join(CLIPS)}")
    return Directive(name, arguments)


def _converted(value: str, default: Any, where: str) -> Any:
    try:
        if isinstance(default, bool):
            return value.lower() in ("1", "yes", "true")
        if default is None:
            return float(value)
        return type(default)(value)
    except ValueError as error:
        raise DirectiveError(f"{where}: {value!r} can't be used") from error


def written_in(prompt: str) -> list[Directive]:
    """Return the directives in a prompt.

    Raises:
        DirectiveError: As :func:`parse`.
    """
    return [directive for text in _WRITTEN.findall(prompt) for directive in parse(text)]


def drawn(settings: Settings, key: str) -> list[Directive]:
    """Draw what goes wrong with a create by chance; the same seed and key draw the same."""
    phases: dict[str, list[tuple[Directive, float]]] = {}
    for text, share in settings.chances.items():
        for directive in parse(text):
            phases.setdefault(directive.phase, []).append((directive, share))
    found = []
    for phase, candidates in sorted(phases.items()):
        roll = random.Random(f"{settings.seed}:{phase}:{key}").random()
        for directive, share in candidates:
            if roll < share:
                found.append(directive)
                break
            roll -= share
    return found


@dataclass(slots=True)
class Plan:
    """What will go wrong with one create and its job, by phase.

    Attributes:
        told: The directives, as text; it goes into the ledger, so that a restarted server goes on with it.
        by_name: Each directive by its name.
        left: How often directives with ``times`` have happened yet.
    """

    told: str
    by_name: dict[str, Directive]
    happened: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, directives: list[Directive]) -> Plan:
        """Make a plan of directives; of two with the same name the last counts."""
        return cls("; ".join(map(str, directives)), {directive.name: directive for directive in directives})

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the arguments of a directive that happens every time, or None."""
        directive = self.by_name.get(name)
        return None if directive is None else directive.arguments

    def next(self, phase: str) -> Directive | None:
        """Return what goes wrong this time in a phase, and count it; None once all has happened."""
        for directive in self.by_name.values():
            if directive.phase != phase:
                continue
            times, done = directive.arguments.get("times", 0), self.happened.get(directive.name, 0)
            if times and done >= times:
                continue
            self.happened[directive.name] = done + 1
            return directive
        return None
