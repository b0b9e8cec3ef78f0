"""MiniMax's first API, which serves Hailuo."""

from tests.engines.contract import Case, Golden, image, uri

CASE = Case(
    engine="minimax",
    model="MiniMax-Hailuo-2.3",
    wire={
        "api": "v1",
        "prompt": "prompt",
        "duration": {"values": [6, 10]},
        "resolution": {"words": {"768p": "768P", "1080p": "1080P"}},
    },
    # Nobody knows how it tells a task that it does not know, nor a model that is gone.
    cannot=frozenset({"progress", "charged", "retired", "poll_missing", "gone"}),
    golden=(
        Golden(
            request={"width": 1920, "height": 1080},
            wire={"fields": {"prompt_optimizer": False}},
            path="/v1/video_generation",
            body={
                "model": "MiniMax-Hailuo-2.3",
                "prompt": "a red kite",
                "duration": 6,
                "resolution": "1080P",
                "prompt_optimizer": False,
            },
        ),
        Golden(
            request={"mode": "first-last-frame", "first_frame": image("first"), "last_frame": image("last")},
            wire={"model": "MiniMax-Hailuo-02", "first_frame": "first_frame_image", "last_frame": "last_frame_image"},
            path="/v1/video_generation",
            body={
                "model": "MiniMax-Hailuo-02",
                "prompt": "a red kite",
                "first_frame_image": uri("first"),
                "last_frame_image": uri("last"),
                "duration": 6,
                "resolution": "768P",
            },
        ),
    ),
)
