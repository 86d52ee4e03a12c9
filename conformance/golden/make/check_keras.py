"""Holds the modules of nets/keras_applications.py against Keras itself, in float64, with the hash fill."""

import os
import re
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch

import hash_fill
from catalogue import BY_ID
from nets.net import SMALL
from weights import filled, without_memory

ROUNDING = 1e-12
"""Of the largest logit: sums in another order."""
PARTS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}
PARTS |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
OUTSIDE = {"conv1_conv": "conv1", "conv1_bn": "bn1", "post_bn": "bn", "predictions": "fc"}


def check_keras():
    """Prints a line for each model, and exits with 1 where one differs."""
    in_float64()
    differences = {name: difference(name) for name in ("50", "101", "152", "50V2", "101V2", "152V2")}
    for name, off in differences.items():
        print(f"keras.applications.ResNet{name}: logits differ by at most {off:.1e} of the largest")
    sys.exit(any(off > ROUNDING for off in differences.values()))


def in_float64():
    keras.config.set_dtype_policy("float64")
    keras.config.set_floatx("float64")
    # Keras computes norms and means in float32 whatever its policy
    keras.src.backend.result_type = keras.src.backend.common.dtypes.result_type = lambda *_: "float64"


@torch.no_grad()
def difference(name):
    ours = without_memory(BY_ID[f"keras_resnet{name.lower()}"].build)
    filled(ours)
    state = ours.double().state_dict()
    image = hash_fill.image(SMALL.shape).astype(np.float64)
    build = getattr(keras.applications, f"ResNet{name}")
    theirs = build(weights=None, input_shape=(*SMALL.shape[2:], 3), pooling=None, classifier_activation=None)
    for layer in theirs.layers:
        for variable in layer.weights:
            key = f"{module_of(layer.name, name.endswith('V2'))}.{PARTS[variable.name]}"
            variable.assign(in_keras_order(state[key].numpy()))
    found = np.asarray(theirs.predict(image.transpose(0, 2, 3, 1), verbose=0))
    expected = ours(torch.from_numpy(image)).numpy()
    return np.abs(found - expected).max() / np.abs(expected).max()


def module_of(layer, v2):
    """Our name for a layer of Keras."""
    block = re.fullmatch(r"conv(\d)_block(\d+)_(\w+)", layer)
    if not block:
        return OUTSIDE[layer]
    stage, index, part = int(block[1]) - 1, int(block[2]) - 1, block[3]
    norms = {"preact_bn": "bn1", "1_bn": "bn2", "2_bn": "bn3"} if v2 else {f"{i}_bn": f"bn{i}" for i in (1, 2, 3)}
    parts = {"0_conv": "downsample.0", "0_bn": "downsample.1", **norms}
    parts |= {f"{i}_conv": f"conv{i}" for i in (1, 2, 3)}
    return f"layer{stage}.{index}.{parts[part]}"


def in_keras_order(values):
    """Kernels are HWIO in Keras, and matrices [in, out]."""
    return values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T
