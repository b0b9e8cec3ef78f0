from tests.engines.contract import Case, Golden, image, uri

CASE = Case(
    engine="ark",
    model="dreamina-seedance-2-0-260128",
    wire={
        "duration": "yes",
        "resolution": "yes",
        "aspect_ratio": "yes",
        "audio": "yes",
        "reference": "safety_identifier",
    },
    cannot=frozenset({"progress", "charged"}),
    reference="safety_identifier",
    stops_queued=True,
    golden=(
        Golden(
            request={"width": 1080, "height": 1920, "audio": False},
            path="/contents/generations/tasks",
            body={
                "model": "dreamina-seedance-2-0-260128",
                "content": [{"type": "text", "text": "a red kite"}],
                "duration": 5,
                "resolution": "1080p",
                "ratio": "9:16",
                "generate_audio": False,
            },
        ),
        Golden(
            request={"mode": "first-last-frame", "first_frame": image("first"), "last_frame": image("last")},
            wire={
                "model": "seedance-1-0-pro-250528",
                "first_frame": "yes",
                "last_frame": "yes",
                "seed": "yes",
                "audio": "no",
                "fields": {"service_tier": "flex"},
                "leave_out": {"first-last-frame": ["ratio"]},
            },
            path="/contents/generations/tasks",
            body={
                "model": "seedance-1-0-pro-250528",
                "content": [
                    {"type": "text", "text": "a red kite"},
                    {"type": "image_url", "image_url": {"url": uri("first")}, "role": "first_frame"},
                    {"type": "image_url", "image_url": {"url": uri("last")}, "role": "last_frame"},
                ],
                "duration": 5,
                "resolution": "720p",
                "seed": 7,
                "service_tier": "flex",
            },
        ),
        Golden(
            request={"references": (image("hero"),)},
            wire={"references": "yes"},
            path="/contents/generations/tasks",
            body={
                "model": "dreamina-seedance-2-0-260128",
                "content": [
                    {"type": "text", "text": "a red kite"},
                    {"type": "image_url", "image_url": {"url": uri("hero")}, "role": "reference_image"},
                ],
                "duration": 5,
                "resolution": "720p",
                "ratio": "16:9",
                "generate_audio": True,
            },
        ),
    ),
)
