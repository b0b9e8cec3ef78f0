from tests.engines.contract import Case, Golden, image, uri

CASE = Case(
    engine="minimax",
    model="MiniMax-H3",
    wire={
        "duration": "yes",
        "resolution": {"words": {"768p": "768P", "2k": "2K"}},
        "aspect_ratio": {"words": ["21:9", "16:9", "4:3", "1:1", "3:4", "9:16"]},
    },
    cannot=frozenset({"progress", "charged", "retired"}),
    stops_queued=True,
    golden=(
        Golden(
            request={"width": 1440, "height": 2560, "parameters": {"aigc_watermark": True}},
            path="/v2/video_generation",
            body={
                "model": "MiniMax-H3",
                "content": [{"type": "text", "text": "a red kite"}],
                "duration": 5,
                "resolution": "2K",
                "ratio": "9:16",
                "aigc_watermark": True,
            },
        ),
        Golden(
            request={
                "mode": "first-last-frame",
                "first_frame": image("first"),
                "last_frame": image("last"),
                "width": 1366,
                "height": 768,
            },
            wire={"first_frame": "yes", "last_frame": "yes", "leave_out": {"first-last-frame": ["ratio"]}},
            path="/v2/video_generation",
            body={
                "model": "MiniMax-H3",
                "content": [
                    {"type": "text", "text": "a red kite"},
                    {"type": "image_url", "image_url": {"url": uri("first")}, "role": "first_frame"},
                    {"type": "image_url", "image_url": {"url": uri("last")}, "role": "last_frame"},
                ],
                "duration": 5,
                "resolution": "768P",
            },
        ),
        Golden(
            request={"references": (image("hero"), image("place"))},
            wire={"references": "yes"},
            path="/v2/video_generation",
            body={
                "model": "MiniMax-H3",
                "content": [
                    {"type": "text", "text": "a red kite"},
                    {"type": "image_url", "image_url": {"url": uri("hero")}, "role": "reference_image"},
                    {"type": "image_url", "image_url": {"url": uri("place")}, "role": "reference_image"},
                ],
                "duration": 5,
                "resolution": "768P",
                "ratio": "16:9",
            },
        ),
    ),
)
