from tests.engines.contract import Case, Golden, image, uri

CASE = Case(
    engine="runway",
    model="veo3.1",
    wire={"duration": {"values": [4, 6, 8]}, "size": "yes", "audio": "yes", "seed": "yes"},
    golden=(
        Golden(
            request={"negative_prompt": "rain"},
            wire={"negative_prompt": "yes"},
            path="/v1/text_to_video",
            body={
                "model": "veo3.1",
                "promptText": "a red kite",
                "duration": 6,
                "ratio": "1280:720",
                "audio": True,
                "seed": 7,
                "negativePrompt": "rain",
            },
            headers={"x-runway-version": "2024-11-06"},
        ),
        Golden(
            request={"mode": "image-to-video", "first_frame": image("first"), "guidance": 1.0},
            wire={
                "model": "kling3.0_pro",
                "first_frame": "yes",
                "seed": "no",
                "duration": "duration",
                "guidance": {"low": 0, "high": 1},
                "leave_out": {"image-to-video": ["ratio"]},
            },
            path="/v1/image_to_video",
            body={
                "model": "kling3.0_pro",
                "promptText": "a red kite",
                "promptImage": uri("first"),
                "duration": 5,
                "audio": True,
                "cfgScale": 1.0,
            },
        ),
        Golden(
            request={"mode": "first-last-frame", "first_frame": image("first"), "last_frame": image("last")},
            wire={"first_frame": "yes", "last_frame": "yes"},
            path="/v1/image_to_video",
            body={
                "model": "veo3.1",
                "promptText": "a red kite",
                "promptImage": [
                    {"uri": uri("first"), "position": "first"},
                    {"uri": uri("last"), "position": "last"},
                ],
                "duration": 6,
                "ratio": "1280:720",
                "audio": True,
                "seed": 7,
            },
        ),
        Golden(
            request={"references": (image("hero"),), "audio": False, "width": 1366, "height": 768},
            wire={
                "model": "hailuo3",
                "references": "yes",
                "seed": "no",
                "audio": "no",
                "size": None,
                "duration": "yes",
                "resolution": {"words": ["768p", "2k"]},
                "aspect_ratio": "yes",
            },
            path="/v1/text_to_video",
            body={
                "model": "hailuo3",
                "promptText": "a red kite",
                "duration": 5,
                "resolution": "768p",
                "ratio": "16:9",
                "references": [{"uri": uri("hero")}],
            },
        ),
    ),
)
