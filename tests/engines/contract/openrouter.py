from tests.engines.contract import Case, Golden, image, uri

CASE = Case(
    engine="openrouter",
    model="kwaivgi/kling-v3",
    wire={
        "duration": {"values": [5, 10]},
        "resolution": {"words": ["720p", "1080p"]},
        "aspect_ratio": {"words": ["16:9", "9:16", "1:1"]},
        "audio": "yes",
        "seed": "yes",
    },
    cannot=frozenset({"progress", "expire"}),
    golden=(
        Golden(
            request={"negative_prompt": "rain", "frames": 96, "fps": "24000/1001", "width": 1080, "height": 1920},
            wire={"negative_prompt": "provider.options.kling.parameters.negative_prompt"},
            path="/videos",
            body={
                "model": "kwaivgi/kling-v3",
                "prompt": "a red kite",
                "duration": 5,
                "resolution": "1080p",
                "aspect_ratio": "9:16",
                "generate_audio": True,
                "seed": 7,
                "provider": {"options": {"kling": {"parameters": {"negative_prompt": "rain"}}}},
            },
        ),
        Golden(
            request={
                "mode": "first-last-frame",
                "first_frame": image("first"),
                "last_frame": image("last"),
                "references": (image("hero"),),
                "audio": False,
                "parameters": {"session_id": "evening"},
            },
            wire={
                "model": "google/veo-3.1",
                "first_frame": True,
                "last_frame": True,
                "references": True,
                "seed": False,
                "leave_out": {"first-last-frame": ["aspect_ratio"]},
            },
            path="/videos",
            body={
                "model": "google/veo-3.1",
                "prompt": "a red kite",
                "duration": 5,
                "resolution": "720p",
                "generate_audio": False,
                "frame_images": [
                    {"type": "image_url", "image_url": {"url": uri("first")}, "frame_type": "first_frame"},
                    {"type": "image_url", "image_url": {"url": uri("last")}, "frame_type": "last_frame"},
                ],
                "input_references": [{"type": "image_url", "image_url": {"url": uri("hero")}}],
                "session_id": "evening",
            },
        ),
    ),
)
