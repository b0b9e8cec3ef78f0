from tests.engines.contract import Case, Golden, encoded, image


def inline(name: str) -> dict[str, str]:
    return {"data": encoded(name), "media_type": "image/png"}


CASE = Case(
    engine="luma",
    model="ray-3.2",
    wire={
        "duration": {"form": "seconds", "values": [5, 10]},
        "resolution": {"words": ["360p", "540p", "720p", "1080p"]},
        "aspect_ratio": {"words": ["21:9", "16:9", "4:3", "1:1", "3:4", "9:16"]},
    },
    cannot=frozenset({"progress", "charged", "retired"}),
    golden=(
        Golden(
            request={"width": 540, "height": 960, "parameters": {"video.loop": True}},
            path="/generations",
            body={
                "type": "video",
                "model": "ray-3.2",
                "prompt": "a red kite",
                "aspect_ratio": "9:16",
                "video": {"duration": "5s", "resolution": "540p", "loop": True},
            },
        ),
        Golden(
            request={"mode": "first-last-frame", "first_frame": image("first"), "last_frame": image("last")},
            wire={"first_frame": "yes", "last_frame": "yes"},
            path="/generations",
            body={
                "type": "video",
                "model": "ray-3.2",
                "prompt": "a red kite",
                "aspect_ratio": "16:9",
                "video": {
                    "duration": "5s",
                    "resolution": "720p",
                    "start_frame": inline("first"),
                    "end_frame": inline("last"),
                },
            },
        ),
        Golden(
            request={
                "mode": "image-to-video",
                "first_frame": image("first"),
                "last_frame": image("last"),
                "frames": 200,
            },
            wire={"first_frame": "yes", "last_frame": "yes"},
            path="/generations",
            body={
                "type": "video",
                "model": "ray-3.2",
                "prompt": "a red kite",
                "aspect_ratio": "16:9",
                "video": {
                    "duration": "10s",
                    "resolution": "720p",
                    "keyframes": [inline("first"), inline("last")],
                    "keyframe_indexes": [0, 240],
                },
            },
        ),
    ),
)
