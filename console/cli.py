"""The command line. Each command parses its words into a request; ``session`` lets a controller act on it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from console import arguments, requests
from console.requests import Extra, Priority
from console.session import act
from pipeline.routing.stage import Stage

EPILOG = (
    "Exit codes: 0 delivered or done; 2 bad input or usage; 3 refused for budget; 4 needs attention; "
    "5 the environment (broker, database, storage, provider keys); 130 interrupted. With --json, standard output "
    "is one JSON document and nothing else."
)

app = typer.Typer(
    name="dailies",
    help="Turns storyboards into finished, delivered video.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

FILMS, BOARDS, CUTS, MONEY, MACHINE = "Films", "Storyboards", "Cuts under way", "Money", "This installation"

BoardFile = Annotated[Path, typer.Argument(metavar="FILE", help="Storyboard, YAML or JSON.")]
CutId = Annotated[str, typer.Argument(metavar="ID", help="A cut's id, or the beginning of it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
StageOption = Annotated[
    Stage,
    typer.Option(
        "--stage",
        metavar="preview|final",
        help="preview makes every shot in the draft tier; final uses each shot's own.",
    ),
]
BudgetOption = Annotated[
    Any,  # the parser says what it is; Typer can't be told both
    typer.Option(
        "--budget",
        metavar="USD",
        parser=arguments.money,
        help="What the cut may cost at most, beside the storyboard's own limit.",
        show_default=False,
    ),
]


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer's callback protocol
    if wanted:
        try:
            typer.echo(f"dailies {version('dailies')}")
        except PackageNotFoundError:
            typer.echo("dailies, run from its source folder")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(rich_help_panel=FILMS)
def run(
    file: BoardFile,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="OUT.mp4", help="Where the film goes; its sidecars go beside it."),
    ] = None,
    stage: StageOption = Stage.PREVIEW,
    budget: BudgetOption = None,
    *,
    json: AsJson = False,
) -> requests.Run:
    """Make a storyboard into a film on this machine.

    Starts what isn't running, shows the progress, and copies the film out. Ctrl-C stops it; the same command
    goes on where it stopped, and makes nothing twice.
    """
    del json
    return requests.Run(file, out, stage, budget)


@app.command(rich_help_panel=FILMS)
def submit(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Storyboards, YAML or JSON.")],
    stage: StageOption = Stage.PREVIEW,
    priority: Annotated[
        Priority, typer.Option("--priority", metavar="interactive|standard|batch", help="Who is served first.")
    ] = Priority.STANDARD,
    budget: BudgetOption = None,
    at: Annotated[
        Any,  # as with --budget
        typer.Option(
            "--at",
            metavar="TIME",
            parser=arguments.moment,
            help="When generation may begin, as 2026-11-21T22:00 (local time) or with an offset.",
            show_default=False,
        ),
    ] = None,
    campaign: Annotated[
        str | None,
        typer.Option(
            "--campaign", metavar="NAME", help="The campaign that they belong to; it is made if there is none so named."
        ),
    ] = None,
    campaign_cap: Annotated[
        Any,  # as with --budget
        typer.Option(
            "--campaign-cap",
            metavar="USD",
            parser=arguments.money,
            help="What all of the campaign may cost at most, from now on.",
            show_default=False,
        ),
    ] = None,
    *,
    json: AsJson = False,
) -> requests.Submit:
    """Enqueue storyboards and print the ids of their cuts.

    All are checked and priced first; if one can't begin, none does. Without a broker the work waits in the database
    for the next `dailies up`. Several new storyboards without a campaign's name get a campaign of their own.
    """
    del json
    return requests.Submit(tuple(files), stage, priority, budget, at, campaign, campaign_cap)


@app.command(rich_help_panel=BOARDS)
def validate(file: BoardFile, *, json: AsJson = False) -> requests.Validate:
    """Check a storyboard; every problem is named with its line, its field and what to write instead."""
    del json
    return requests.Validate(file)


@app.command(rich_help_panel=BOARDS)
def quote(
    file: BoardFile, stage: StageOption = Stage.PREVIEW, budget: BudgetOption = None, *, json: AsJson = False
) -> requests.Quote:
    """Say what a cut will cost, expected and at worst; spends nothing.

    Exits with 3 if it is beyond a limit, with 5 if a shot has no model.
    """
    del json
    return requests.Quote(file, stage, budget)


@app.command(rich_help_panel=BOARDS)
def route(file: BoardFile, stage: StageOption = Stage.PREVIEW, *, json: AsJson = False) -> requests.Route:
    """Explain which model each shot gets and why; spends nothing.

    Exits with 5 if a shot has no model.
    """
    del json
    return requests.Route(file, stage)


@app.command("import", rich_help_panel=BOARDS)
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Another tool's storyboard (ViMax).")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="BOARD.yaml", help="The storyboard to write.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    json: AsJson = False,
) -> requests.Import:
    """Make another tool's storyboard into one of Dailies."""
    del json
    return requests.Import(file, out, force)


@app.command(rich_help_panel=CUTS)
def status(
    cut: Annotated[str | None, typer.Argument(metavar="[ID]", help="A cut's id, or the beginning of it.")] = None,
    *,
    json: AsJson = False,
) -> requests.Status:
    """Show where one cut stands, with its shots and films; without an id, the newest cuts."""
    del json
    return requests.Status(cut)


@app.command(rich_help_panel=CUTS)
def watch(cut: CutId, *, json: AsJson = False) -> requests.Watch:
    """Follow a cut until it is delivered or stands still.

    Exits as `run` does: 0 delivered, 4 needs attention or cancelled. Ctrl-C ends the watching only.
    """
    del json
    return requests.Watch(cut)


@app.command(rich_help_panel=CUTS)
def retry(
    cut: CutId,
    shot: Annotated[
        list[str] | None,
        typer.Option("--shot", metavar="SHOT", help="A shot to make anew; may be given again. All that stand still."),
    ] = None,
    *,
    placeholder: Annotated[
        bool, typer.Option("--placeholder", help="Finish with marked placeholders instead of new takes.")
    ] = False,
    json: AsJson = False,
) -> requests.Retry:
    """Send shots back to be made anew, or a cut that stands still on its way."""
    del json
    return requests.Retry(cut, tuple(shot or ()), placeholder)


@app.command(rich_help_panel=CUTS)
def pause(cut: CutId, *, json: AsJson = False) -> requests.Pause:
    """Let what runs finish and start nothing more."""
    del json
    return requests.Pause(cut)


@app.command(rich_help_panel=CUTS)
def resume(cut: CutId, *, json: AsJson = False) -> requests.Resume:
    """Go on with a paused cut."""
    del json
    return requests.Resume(cut)


@app.command(rich_help_panel=CUTS)
def cancel(cut: CutId, *, json: AsJson = False) -> requests.Cancel:
    """Stop a cut. Accepted takes are kept; `retry` makes it go on."""
    del json
    return requests.Cancel(cut)


@app.command(rich_help_panel=MONEY)
def costs(
    by: Annotated[
        str,
        typer.Option("--by", metavar="model|tier|class|campaign|storyboard", help="What the costs are told apart by."),
    ] = "model",
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="YYYY-MM", help="Only what was reserved in this month (UTC). All time."),
    ] = None,
    *,
    json: AsJson = False,
) -> requests.Costs:
    """Say what was spent on what, against what was quoted.

    Sums are those of the ledger, to the micro-USD. Attempts are takes that were generated or billed.
    """
    del json
    return requests.Costs(by, month)


@app.command(rich_help_panel=MONEY)
def resolve(
    take: Annotated[str, typer.Argument(metavar="TAKE", help="A take's id, or the beginning of it.")],
    *,
    charged: Annotated[
        bool | None,
        typer.Option(
            "--charged/--not-charged", metavar="", help="What the provider's own account says.", show_default=False
        ),
    ] = None,
    json: AsJson = False,
) -> requests.Resolve:
    """Say whether a take whose outcome is unknown was charged.

    `status` and `doctor` list such takes: their provider was asked, the answer was lost, and nobody can find out by
    himself. Charged: what is reserved counts as spent. Not charged: it is free again. Then the shot can be retried.
    """
    del json
    return requests.Resolve(take, charged)


@app.command(rich_help_panel=MACHINE)
def up(
    extras: Annotated[
        str, typer.Option("--with", metavar="flower,...", help="What to start beside it.", show_default=False)
    ] = "",
) -> requests.Up:
    """Start the embedded stack (Redis, a worker, a watcher) and keep it running until Ctrl-C."""
    return requests.Up(tuple(_extra(word.strip()) for word in extras.split(",") if word.strip()))


@app.command(rich_help_panel=MACHINE)
def watcher() -> requests.Watcher:
    """Follow the takes in flight at providers until Ctrl-C or SIGTERM; a fleet runs one or more beside its workers.

    `run` and `up` start one by themselves where a provider is configured.
    """
    return requests.Watcher()


def _extra(word: str) -> Extra:
    try:
        return Extra(word)
    except ValueError:
        message = f"{word!r} is not one of {', '.join(repr(str(each)) for each in Extra)}."
        raise typer.BadParameter(message, param_hint="--with") from None


models_app = typer.Typer()
app.add_typer(models_app, name="models", rich_help_panel=MACHINE)


@models_app.callback(invoke_without_command=True)
def models(*, json: AsJson = False) -> requests.Models:
    """List the models with today's prices, and what each still needs."""
    del json
    return requests.Models()


@models_app.command()
def review(*, json: AsJson = False) -> requests.ReviewModels:
    """List what should be looked at in the registry.

    What your overlay changes; what is gone or goes within 30 days; prices that are missing, that nobody compared with
    the provider's page, or that were last compared more than 90 days ago.
    """
    del json
    return requests.ReviewModels()


@models_app.command()
def refresh(
    engine: Annotated[
        list[str] | None,
        typer.Option("--engine", metavar="NAME", help="Only this engine's; may be given again. All that can be read."),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write", metavar="FILE", help="The overlay to write the published prices into.", show_default=False
        ),
    ] = None,
    *,
    json: AsJson = False,
) -> requests.RefreshModels:
    """Compare prices with those that OpenRouter and fal publish, and show the differences.

    Nothing is written without --write. Then the file holds the new prices, from today on, and those that were
    confirmed, with today's date; set DAILIES_REGISTRY to it to use them.
    """
    del json
    return requests.RefreshModels(tuple(engine or ()), write)


@app.command(rich_help_panel=MACHINE)
def doctor(*, json: AsJson = False) -> requests.Doctor:
    """Check what is configured, reachable and missing.

    Exits with 5 if something is broken.
    """
    del json
    return requests.Doctor()


def main(words: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        words: The arguments; the process's own if not given.

    Returns:
        The exit code.
    """
    return act(typer.main.get_command(app), words)
