"""``validate``, ``quote`` and ``route``: what can be said of a storyboard without making anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from console import requests
from console.answer import Answer
from console.desk import Desk
from console.documents import boards as documents
from console.views import boards as views
from console.views.failures import problem
from pipeline.errors import EXIT_BUDGET, EXIT_DELIVERED, EXIT_ENVIRONMENT, BackendUnavailable
from pipeline.storyboard.load import LoadedStoryboard, load_storyboard

if TYPE_CHECKING:
    from pipeline.routing.decide import Experience


def load(file: Path, desk: Desk) -> LoadedStoryboard:
    """Read a storyboard; what is odd about it goes to standard error.

    Raises:
        StoryboardError: With all its problems.
    """
    board = load_storyboard(file)
    for warning in board.warnings:
        desk.show(problem(warning, style="yellow"))
    return board


def validate(request: requests.Validate, desk: Desk) -> Answer:
    """Check a storyboard."""
    board = load(request.file, desk)
    return Answer(lambda: documents.board(board), lambda: views.board(board))


def quote(request: requests.Quote, desk: Desk) -> Answer:
    """Price a storyboard; shown even if it is refused, so that a person sees why."""
    from pipeline.production.quoting import quote_boards  # noqa: PLC0415 - checking a storyboard needs no registry

    board = load(request.file, desk)
    [quoted] = quote_boards(
        desk.settings,
        [board.storyboard],
        stage=request.stage,
        today=desk.clock().date(),
        budget=request.budget,
        require=False,
    )
    price = quoted.quote
    code = EXIT_ENVIRONMENT if not price.complete else EXIT_BUDGET if price.refusal else EXIT_DELIVERED
    return Answer(lambda: documents.quote(price, code), lambda: views.quote(price), code)


def route(request: requests.Route, desk: Desk) -> Answer:
    """Explain the route of each shot."""
    from pipeline.production.quoting import quote_boards  # noqa: PLC0415 - as above

    board = load(request.file, desk)
    [quoted] = quote_boards(
        desk.settings,
        [board.storyboard],
        stage=request.stage,
        today=desk.clock().date(),
        require=False,
        experience=_experience(desk),
    )
    routes = quoted.decisions
    code = EXIT_DELIVERED if all(each.chain for each in routes) else EXIT_ENVIRONMENT
    return Answer(lambda: documents.routes(board, routes, code), lambda: views.routes(routes), code)


def _experience(desk: Desk) -> Experience | None:
    """Return how the models' providers do, if there is a database that can tell; a route is explained without, too.

    What a shot's own content class has taught is left out: an explanation is of all shots at once.
    """
    from console.controllers.office import has_work  # noqa: PLC0415 - imports SQLAlchemy

    if not has_work(desk.settings):
        return None
    from pipeline.production.health import standings  # noqa: PLC0415 - imports SQLAlchemy
    from pipeline.production.rules import current_rules  # noqa: PLC0415 - as above
    from pipeline.routing.decide import Experience  # noqa: PLC0415 - as above
    from pipeline.store.database import Database  # noqa: PLC0415 - as above

    rules = current_rules(desk.settings)
    database = Database(desk.settings.database_url)
    try:
        if database.version() != database.newest_version():
            return None
        with database.read() as session:
            return Experience(standings(session, rules.registry.models, rules.table, desk.clock()))
    except BackendUnavailable as error:
        desk.note(f"Health is left out: {error}", "yellow")
        return None
    finally:
        database.close()
