"""Providers that take prompt and pictures as one list, ``content``, of items with roles: Ark and MiniMax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pipeline.control.request import GenerationRequest, Image
from pipeline.engines.wording import Name, Unsayable, Wording


class ContentWire(Wording):
    """Fields of ``wire`` where prompt and pictures lie in ``content``; pictures are named by their roles."""

    own: ClassVar[frozenset[str]] = frozenset({"model", "content"})

    prompt: Name = "content"
    """The list that holds the prompt."""

    def placed(self, request: GenerationRequest, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """Return the list."""
        entries: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}]

        def add(image: Image, role: str | None, what: str) -> None:
            if role is None:
                raise Unsayable(f"its wire says nothing of {what}, so such a picture can't be sent")
            entries.append({"type": "image_url", "image_url": {"url": pictures[image.sha256]}, "role": role})

        if request.references and (request.first_frame or request.last_frame):
            raise Unsayable("a first or last frame and references can't be sent together")
        if request.first_frame is not None:
            add(request.first_frame, self.first_frame, "first_frame")
        if request.last_frame is not None:
            add(request.last_frame, self.last_frame, "last_frame")
        for image in request.references:
            add(image, self.references, "references")
        return {self.prompt: entries}
