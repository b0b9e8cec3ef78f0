from tests.engines.contract import Case, Golden, image, uri

SYNTHESIS = "/services/aigc/video-generation/video-synthesis"

CASE = Case(
    engine="dashscope",
    model="wan3.0-video",
    wire={
        "duration": "yes",
        "resolution": {"words": {"480p": "480P", "720p": "720P", "1080p": "1080P"}},
        "aspect_ratio": {"words": ["16:9", "9:16", "1:1", "4:3", "3:4"]},
        "audio": "yes",
        "seed": "yes",
    },
    cannot=frozenset({"progress", "charged"}),
    stops_queued=True,
    golden=(
        Golden(
            request={
                "width": 1080,
                "height": 1920,
                "negative_prompt": "rain",
                "parameters": {"parameters.watermark": False},
            },
            wire={"model": "wan2.7-t2v", "negative_prompt": "yes", "audio": "no"},
            path=SYNTHESIS,
            headers={"x-dashscope-async": "enable"},
            body={
                "model": "wan2.7-t2v",
                "input": {"prompt": "a red kite", "negative_prompt": "rain"},
                "parameters": {
                    "duration": 5,
                    "resolution": "1080P",
                    "ratio": "9:16",
                    "seed": 7,
                    "watermark": False,
                },
            },
        ),
        Golden(
            request={"mode": "first-last-frame", "first_frame": image("first"), "last_frame": image("last")},
            wire={
                "first_frame": "yes",
                "last_frame": "yes",
                "leave_out": {"first-last-frame": ["parameters.ratio"]},
            },
            path=SYNTHESIS,
            body={
                "model": "wan3.0-video",
                "input": {
                    "prompt": "a red kite",
                    "media": [
                        {"type": "first_frame", "url": uri("first")},
                        {"type": "last_frame", "url": uri("last")},
                    ],
                },
                "parameters": {"duration": 5, "resolution": "720P", "audio": True, "seed": 7},
            },
        ),
        Golden(
            request={"references": (image("hero"), image("place"))},
            wire={"model": "happyhorse-1.1-r2v", "references": "yes", "audio": "no"},
            path=SYNTHESIS,
            body={
                "model": "happyhorse-1.1-r2v",
                "input": {
                    "prompt": "a red kite",
                    "media": [
                        {"type": "reference_image", "url": uri("hero")},
                        {"type": "reference_image", "url": uri("place")},
                    ],
                },
                "parameters": {"duration": 5, "resolution": "720P", "ratio": "16:9", "seed": 7},
            },
        ),
        Golden(
            request={"mode": "image-to-video", "first_frame": image("first")},
            wire={
                "model": "wan2.2-kf2v-flash",
                "path": "/services/aigc/image2video/video-synthesis",
                "first_frame": "input.first_frame_url",
                "resolution": "no",
                "aspect_ratio": "no",
                "size": "yes",
                "audio": "no",
            },
            path="/services/aigc/image2video/video-synthesis",
            body={
                "model": "wan2.2-kf2v-flash",
                "input": {"prompt": "a red kite", "first_frame_url": uri("first")},
                "parameters": {"duration": 5, "size": "1280*720", "seed": 7},
            },
        ),
    ),
)
