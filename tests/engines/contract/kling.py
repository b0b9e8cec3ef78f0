from tests.engines.contract import Case, Golden, encoded, image

CASE = Case(
    engine="kling",
    model="kling-v3",
    wire={
        "duration": {"form": "text"},
        "resolution": {"words": {"720p": "std", "1080p": "pro", "4k": "4k"}},
        "aspect_ratio": {"words": ["16:9", "9:16", "1:1"]},
        "audio": "yes",
        "negative_prompt": "yes",
    },
    cannot=frozenset({"progress", "charged"}),
    reference="external_task_id",
    golden=(
        Golden(
            request={"negative_prompt": "rain", "guidance": 0.7, "width": 1080, "height": 1920},
            wire={"guidance": {"low": 0, "high": 1}},
            path="/v1/videos/text2video",
            body={
                "model_name": "kling-v3",
                "prompt": "a red kite",
                "negative_prompt": "rain",
                "cfg_scale": 0.7,
                "duration": "5",
                "mode": "pro",
                "aspect_ratio": "9:16",
                "sound": "on",
            },
        ),
        Golden(
            request={
                "mode": "first-last-frame",
                "first_frame": image("first"),
                "last_frame": image("last"),
                "audio": False,
            },
            wire={"first_frame": "yes", "last_frame": "yes", "leave_out": {"first-last-frame": ["aspect_ratio"]}},
            path="/v1/videos/image2video",
            body={
                "model_name": "kling-v3",
                "prompt": "a red kite",
                "image": encoded("first"),
                "image_tail": encoded("last"),
                "duration": "5",
                "mode": "std",
                "sound": "off",
            },
        ),
        Golden(
            request={"references": (image("hero"), image("place"))},
            wire={"model": "kling-v1-6", "references": "yes", "audio": "no"},
            path="/v1/videos/multi-image2video",
            body={
                "model_name": "kling-v1-6",
                "prompt": "a red kite",
                "image_list": [{"image": encoded("hero")}, {"image": encoded("place")}],
                "duration": "5",
                "mode": "std",
                "aspect_ratio": "16:9",
            },
        ),
        Golden(
            request={"mode": "image-to-video", "first_frame": image("first"), "references": (image("hero"),)},
            wire={
                "model": "kling-v3-omni",
                "first_frame": "yes",
                "references": "yes",
                "paths": {"image-to-video": "omni-video"},
            },
            path="/v1/videos/omni-video",
            body={
                "model_name": "kling-v3-omni",
                "prompt": "a red kite",
                "image_list": [
                    {"image_url": encoded("first"), "type": "first_frame"},
                    {"image_url": encoded("hero")},
                ],
                "duration": "5",
                "mode": "std",
                "aspect_ratio": "16:9",
                "sound": "on",
            },
        ),
    ),
)
