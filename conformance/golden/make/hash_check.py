"""hash_check.json: seeds, hashes and values of the fill for some names."""

import math

import numpy as np

import hash_fill

INDEX = [0, 1, 2, 3, 63, 1000, 65535, 65536, 1048583, 2359295, 4294967295]
CONV1, LAYER1, FC = math.sqrt(6 / 147), math.sqrt(6 / 576), math.sqrt(3 / 2048)
NAMES = {
    "input": (-1.0, 1.0),
    "input.offset": (-2.0, 2.0),
    "labels": (0.0, 1.0),
    "conv1.weight": (-CONV1, CONV1),
    "bn1.weight": (0.8, 1.2),
    "bn1.bias": (-0.1, 0.1),
    "bn1.running_mean": (-0.2, 0.8),
    "bn1.running_var": (0.5, 1.5),
    "layer1.0.conv1.weight": (-LAYER1, LAYER1),
    "layer4.2.bn3.weight": (0.05, 0.25),
    "fc.weight": (-FC, FC),
    "fc.bias": (-0.1, 0.1),
    "op/conv_k3_s1_p1/x": (-1.0, 1.0),
    "": (0.0, 1.0),
    "naïve/残差.weight": (-1.0, 1.0),
}


def row(name, lo, hi):
    seed = hash_fill.seed_of(name)
    h = hash_fill.hash_u32(seed, np.array(INDEX, np.uint32))
    u = hash_fill.unit(h)
    values = (lo + (hi - lo) * u).astype(np.float32)
    bits = values.view(np.uint32).tolist()
    return {
        "name": name,
        "seed": seed,
        "range": [lo, hi],
        "index": INDEX,
        "h": h.tolist(),
        "u": u.tolist(),
        "value": values.astype(np.float64).tolist(),
        "bits": bits,
    }


def hash_check():
    rows = [row(name, *span) for name, span in NAMES.items()]
    return {"format": "resnet-goldens/1", "kind": "hash-check", "salt": hash_fill.SALT, "rows": rows}
