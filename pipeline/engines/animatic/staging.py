"""How much stage a camera move needs, so that no frame of it shows an edge."""

from __future__ import annotations

import math

from pipeline.control.request import GenerationRequest
from pipeline.engines.animatic.moves import Rig


def stage_size(rig: Rig, request: GenerationRequest) -> tuple[int, int]:
    """Return the size of stage on which no frame of the move shows an edge, in even pixels."""
    reach = rig.reach(request.frames, float(request.rate))
    lean = abs(math.sin(reach.roll))
    width = request.width * (reach.extent + 2 * reach.x) + request.height * lean + 8
    height = request.height * (reach.extent + 2 * reach.y) + request.width * lean + 8
    return (math.ceil(width / 2) * 2, math.ceil(height / 2) * 2)
