# /// script
# requires-python = "==3.11.*"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "matplotlib==3.10.7"]
# ///
"""Class activation maps over pictures, by PyTorch's interpolation and matplotlib's colours, into overlays.json."""

import base64
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps

random = np.random.default_rng(7)
inferno = (colormaps["inferno"](np.arange(256))[:, :3] * 255 + 0.5).astype(np.uint8)


def text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def interpolated(cam, size, area):
    """The map at the centres of the pixels [H, W], in float64, and which of them lie in the area."""
    (height, width), (left, top, across, down) = size, area
    u, v = (np.arange(width) + 0.5 - left) / across, (np.arange(height) + 0.5 - top) / down
    grid = torch.from_numpy(np.stack(np.meshgrid(2 * u - 1, 2 * v - 1), -1))[None]
    values = F.grid_sample(cam[None, None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0, 0]
    if area == (0, 0, width, height):
        whole = F.interpolate(cam[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
        assert (whole - values).abs().max() < 1e-12
    inside = ((v >= 0) & (v <= 1))[:, None] & ((u >= 0) & (u <= 1))[None]
    return values.numpy(), inside


def case(size, cells, area, opacity):
    pixels = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    cam = torch.from_numpy(random.normal(size=cells))
    scaled = 255 * (cam - cam.min()) / (cam.max() - cam.min())
    values, inside = interpolated(scaled, size, area)
    colours = inferno[np.floor(values + 0.5).astype(int)].astype(float)
    seen = pixels + (colours - pixels) * opacity
    unseen = np.repeat((pixels @ [0.299, 0.587, 0.114])[..., None], 3, 2) * (1 - opacity)
    rgb = np.floor(np.where(inside[..., None], seen, unseen) + 0.5).astype(np.uint8)
    return {
        "size": size,
        "pixels": text(pixels),
        "cells": cells,
        "map": cam.flatten().tolist(),
        "area": area,
        "opacity": opacity,
        "rgb": text(rgb),
    }


cases = [
    case((18, 24), (3, 4), (0, 0, 24, 18), 0.5),
    case((20, 31), (7, 7), (5.25, -1.5, 20.5, 20.5), 0.4),
    case((9, 7), (1, 2), (1, 1, 5, 5), 1.0),
    case((30, 11), (8, 8), (0, 9.5, 11, 11), 0.75),
]
document = {"inferno": text(inferno), "cases": cases}
(Path(__file__).parent / "overlays.json").write_text(json.dumps(document, indent=1))
