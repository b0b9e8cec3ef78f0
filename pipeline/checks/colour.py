"""Colour arithmetic: YUV to CIE Lab for a few pixels, and the CIEDE2000 difference.

Sources: ITU-T H.273 (matrix coefficients), ITU-R BT.601, BT.709 and BT.2020; Sharma, Wu and Dalal,
"The CIEDE2000 Color-Difference Formula", Color Research and Application 30 (2005).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Kr and Kb by H.273 matrix code point; unspecified is taken as BT.709, as conform tags it.
_LUMA_WEIGHTS = {5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_BT709 = (0.2126, 0.0722)


def yuv_to_lab(
    luma: NDArray[np.uint8], u: NDArray[np.float32], v: NDArray[np.float32], *, matrix: int, full_range: bool
) -> NDArray[np.float32]:
    """Return CIE Lab (D65), shape ``(height, width, 3)``, of a picture whose planes have one size.

    Args:
        luma: Y in full-range levels.
        u: Cb in 8-bit levels around 128, in the file's own range.
        v: Cr likewise.
        matrix: H.273 matrix code point.
        full_range: Whether Cb and Cr span 0 to 255 instead of 16 to 240.
    """
    kr, kb = _LUMA_WEIGHTS.get(matrix, _BT709)
    span = 255.0 if full_range else 224.0
    y = luma.astype(np.float32) / 255
    cb, cr = (u - 128) / span, (v - 128) / span
    red = y + 2 * (1 - kr) * cr
    blue = y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    rgb = np.clip(np.dstack((red, green, blue)), 0, 1).astype(np.float32)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab), np.float32)


def ciede2000(one: Floats, other: Floats) -> Floats:
    """Return the CIEDE2000 difference of Lab colours, arrays of shape ``(..., 3)`` that broadcast."""
    l1, a1, b1 = np.moveaxis(np.asarray(one, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(other, np.float64), -1, 0)
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    grey = c1 * c2 == 0
    turn = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    # Sharma's rule takes +180 for opposite hues, the modulo gives -180; their squares agree.
    d_l, d_c, d_h = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    apart = np.abs(h1 - h2) > 180
    h_sum = h1 + h2
    h_mean = np.where(apart, (h_sum + np.where(h_sum < 360, 360, -360)) / 2, h_sum / 2)
    h_mean = np.where(grey, h_sum, h_mean)
    t = (
        1
        - 0.17 * np.cos(np.radians(h_mean - 30))
        + 0.24 * np.cos(np.radians(2 * h_mean))
        + 0.32 * np.cos(np.radians(3 * h_mean + 6))
        - 0.20 * np.cos(np.radians(4 * h_mean - 63))
    )
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    r_c = 2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7))
    r_t = -np.sin(np.radians(60 * np.exp(-(((h_mean - 275) / 25) ** 2)))) * r_c
    terms = (d_l / s_l) ** 2 + (d_c / s_c) ** 2 + (d_h / s_h) ** 2 + r_t * (d_c / s_c) * (d_h / s_h)
    return np.sqrt(np.maximum(0.0, terms))
