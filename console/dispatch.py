"""Which controller acts on which request. A controller's code is imported when it is needed, not before."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from console import requests
from console.answer import Answer
from console.desk import Desk
from console.requests import Request

CONTROLLERS: Final[Mapping[type[Request], str]] = MappingProxyType(
    {
        requests.Run: "console.controllers.film:run",
        requests.Validate: "console.controllers.boards:validate",
        requests.Quote: "console.controllers.boards:quote",
        requests.Route: "console.controllers.boards:route",
        requests.Import: "console.controllers.imports:import_file",
        requests.Submit: "console.controllers.submitting:submit",
        requests.Status: "console.controllers.cuts:status",
        requests.Watch: "console.controllers.cuts:watch",
        requests.Retry: "console.controllers.steering:retry",
        requests.Cancel: "console.controllers.steering:cancel",
        requests.Pause: "console.controllers.steering:pause",
        requests.Resume: "console.controllers.steering:resume",
        requests.Resolve: "console.controllers.steering:resolve",
        requests.Costs: "console.controllers.costs:costs",
        requests.Up: "console.controllers.stack:up",
        requests.Watcher: "console.controllers.stack:watcher",
        requests.Models: "console.controllers.models:models",
        requests.ReviewModels: "console.controllers.models:review_models",
        requests.RefreshModels: "console.controllers.models:refresh_models",
        requests.Doctor: "console.controllers.doctor:doctor",
    }
)
"""Request to ``module:function``."""


def controller_of(kind: type[Request]) -> Callable[[Any, Desk], Answer]:
    """Return the controller of a kind of request, imported now if it wasn't yet."""
    module, _, name = CONTROLLERS[kind].partition(":")
    found: Callable[[Any, Desk], Answer] = getattr(importlib.import_module(module), name)
    return found
