"""From a shot to a generation request: seeds, framing, camera, prompts."""
