"""The cases of single operators: what goes in, and what PyTorch makes of it."""

import math
from dataclasses import dataclass
from typing import Callable

import torch
import torch.nn.functional as F

from nets.net import zero_pad_channels


@dataclass(frozen=True)
class Fill:
    """Numbers of the hash fill in [lo, hi), or those rounded to whole numbers, ties to even."""

    shape: tuple
    lo: float
    hi: float
    rounded: bool = False


@dataclass(frozen=True)
class Labels:
    """Classes, written out."""

    values: tuple


@dataclass(frozen=True)
class Case:
    id: str
    op: str
    attrs: dict
    inputs: dict
    run: Callable[[dict, dict], dict]
    note: str | None = None


def pair(value):
    return [value, value] if isinstance(value, int) else list(value)


def padded(x, pads, value=0.0):
    """`pads` are [top, left, bottom, right]."""
    top, left, bottom, right = pads
    return F.pad(x, (left, right, top, bottom), value=value)


# Forward: each function is given tensors by name and the attributes, and answers with y


def conv2d(t, a):
    options = {key: tuple(a[key]) for key in ("stride", "dilation")}
    return F.conv2d(padded(t["x"], a["pads"]), t["w"], t.get("b"), groups=a["groups"], **options)


def batch_norm(t, a):
    return F.batch_norm(t["x"], t["mean"], t["var"], t["gamma"], t["beta"], False, 0.0, a["epsilon"])


def max_pool2d(t, a):
    x = padded(t["x"], a["pads"], -math.inf)
    return F.max_pool2d(x, tuple(a["kernel"]), tuple(a["stride"]))


def avg_pool2d(t, a):
    return F.avg_pool2d(t["x"], a["kernel"], a["stride"], 0, a["ceilMode"], a["countIncludePad"])


def global_avg_pool(t, _):
    return t["x"].mean((2, 3), keepdim=True)


def linear(t, _):
    return F.linear(t["x"], t["w"], t.get("b"))


def option_a(t, a):
    rows, columns = a["stride"]
    return zero_pad_channels(t["x"][:, :, ::rows, ::columns], a["channelsBefore"], a["channelsAfter"])


def cross_entropy(t, _):
    return F.cross_entropy(t["x"], t["labels"])


def softmax(t, a):
    return torch.softmax(t["x"], a["axis"])


def log_softmax(t, a):
    return torch.log_softmax(t["x"], a["axis"])


def relu(t, _):
    return torch.relu(t["x"])


def sigmoid(t, _):
    return torch.sigmoid(t["x"])


def add(t, _):
    return t["a"] + t["b"]


def add_relu(t, _):
    return torch.relu(t["a"] + t["b"])


def mul(t, _):
    return t["a"] * t["b"]


def forward(function):
    return lambda t, a: {"y": function(t, a)}


def backward(function):
    """y, and the gradients of sum(y * dy), or of y itself where it is a loss."""

    def run(t, a):
        of = [name for name in ("x", "w", "b", "gamma", "beta") if name in t]
        leaves = {name: t[name].requires_grad_() for name in of}
        result = function({**t, **leaves}, a)
        outputs = result if isinstance(result, dict) else {"y": result}
        gradients = torch.autograd.grad(outputs["y"], list(leaves.values()), t.get("dy"))
        return outputs | {f"d{name}": gradient for name, gradient in zip(of, gradients)}

    return run


def batch_norm_train(t, a):
    mean, var = t["mean"].clone(), t["var"].clone()
    y = F.batch_norm(t["x"], mean, var, t["gamma"], t["beta"], True, a["momentum"], a["epsilon"])
    return {"y": y, "new_mean": mean, "new_var": var}


def sgd(t, a):
    p = torch.nn.Parameter(t["p"].clone())
    options = {"momentum": a["momentum"], "weight_decay": a["weightDecay"], "nesterov": a["nesterov"]}
    optimizer = torch.optim.SGD([p], a["lr"], **options)
    outputs = {}
    for step in range(a["steps"]):
        p.grad = t[f"g{step}"]
        optimizer.step()
        outputs[f"p{step + 1}"] = p.detach().clone()
    return outputs


# Cases: a function for each kind, then the table


def convolution(id, x, out, kernel, stride=1, pads=0, dilation=1, groups=1, bias=False, note=None, dy=None):
    attrs = {
        "kernel": pair(kernel),
        "stride": pair(stride),
        "pads": [pads] * 4 if isinstance(pads, int) else list(pads),
    }
    attrs |= {"dilation": pair(dilation), "groups": groups, "bias": bias}
    weight = (out, x[1] // groups, *attrs["kernel"])
    bound = math.sqrt(6 / math.prod(weight[1:]))
    inputs = {"x": Fill(x, -1.0, 1.0), "w": Fill(weight, -bound, bound)}
    inputs |= {"b": Fill((out,), -0.5, 0.5)} if bias else {}
    if dy is None:
        return Case(id, "conv2d", attrs, inputs, forward(conv2d), note)
    return Case(id, "conv2d_grad", attrs, inputs | {"dy": Fill(dy, -1.0, 1.0)}, backward(conv2d), note)


def norm_inputs(x, var=(0.5, 1.5)):
    """What a batch norm is given, but for dy."""
    channels = (x[1],)
    return {
        "x": Fill(x, -2.0, 2.0),
        "gamma": Fill(channels, 0.5, 1.5),
        "beta": Fill(channels, -0.5, 0.5),
        "mean": Fill(channels, -0.5, 0.5),
        "var": Fill(channels, *var),
    }


def norm(id, x, epsilon=1e-05, var=(0.5, 1.5), note=None):
    attrs = {"epsilon": epsilon, "training": False}
    return Case(id, "batch_norm", attrs, norm_inputs(x, var), forward(batch_norm), note)


def norm_train(id, x, note):
    attrs = {"epsilon": 1e-05, "momentum": 0.1, "training": True}
    inputs = norm_inputs(x) | {"dy": Fill(x, -1.0, 1.0)}
    return Case(id, "batch_norm_train", attrs, inputs, backward(batch_norm_train), note)


def max_pool(id, x, lo=-3.0, hi=2.0, kernel=3, stride=2, pads=1, rounded=False, note=None, dy=None):
    attrs = {
        "kernel": pair(kernel),
        "stride": pair(stride),
        "pads": [pads] * 4 if isinstance(pads, int) else list(pads),
    }
    inputs = {"x": Fill(x, lo, hi, rounded)}
    if dy is None:
        return Case(id, "max_pool2d", attrs, inputs, forward(max_pool2d), note)
    return Case(id, "max_pool2d_grad", attrs, inputs | {"dy": Fill(dy, -1.0, 1.0)}, backward(max_pool2d), note)


def average_pool(id, x):
    attrs = {"kernel": [2, 2], "stride": [2, 2], "pads": [0, 0, 0, 0], "ceilMode": True, "countIncludePad": False}
    return Case(id, "avg_pool2d", attrs, {"x": Fill(x, -1.0, 2.0)}, forward(avg_pool2d), "timm's -d shortcut")


def plain(id, op, function, inputs, attrs={}, note=None):
    return Case(id, op, attrs, inputs, forward(function), note)


def matrix(id, x, out, x_range, bound, bias=True, note=None):
    inputs = {"x": Fill(x, *x_range), "w": Fill((out, x[1]), -bound, bound)}
    inputs |= {"b": Fill((out,), -0.5, 0.5)} if bias else {}
    return plain(id, "linear", linear, inputs, note=note)


def shifted(id, before, after):
    attrs = {"stride": [2, 2], "channelsBefore": before, "channelsAfter": after}
    return plain(id, "subsample_pad_channels", option_a, {"x": Fill((2, 4, 7, 8), -1.0, 1.0)}, attrs)


def optimizer(id, lr, decay, nesterov):
    attrs = {"lr": lr, "momentum": 0.9, "weightDecay": decay, "nesterov": nesterov, "steps": 3}
    gradients = {f"g{step}": Fill((3, 7), -0.5, 0.5) for step in range(3)}
    return Case(id, "sgd", attrs, {"p": Fill((3, 7), -1.0, 1.0), **gradients}, sgd)


AXIS = {"axis": 1}
ONES = (-1.0, 1.0)
SAME = "Keras/TF 'same'"
CASES = [
    convolution("conv_k1_s1", (1, 3, 5, 7), 4, 1),
    convolution("conv_k1_s1_bias_n3", (3, 8, 5, 3), 5, 1, bias=True),
    convolution("conv_k1_s2_odd", (1, 6, 7, 9), 4, 1, stride=2),
    convolution("conv_k1_s2_even", (3, 4, 8, 6), 6, 1, stride=2),
    convolution("conv_k1_s1_p1_bias", (1, 3, 5, 5), 4, 1, pads=1, bias=True, note="the border is the bias alone"),
    convolution("conv_k1_g2", (1, 6, 5, 5), 4, 1, groups=2),
    convolution("conv_k1_g32", (1, 64, 3, 5), 96, 1, groups=32, bias=True),
    convolution("conv_k1_wide", (1, 256, 3, 3), 64, 1, note="long reduction"),
    convolution("conv_k3_s1_p0", (1, 3, 5, 7), 4, 3),
    convolution("conv_k3_s1_p1", (1, 4, 7, 7), 5, 3, pads=1),
    convolution("conv_k3_s1_p1_bias_n3", (3, 3, 6, 5), 8, 3, pads=1, bias=True),
    convolution("conv_k3_s2_p1_odd", (1, 4, 9, 11), 6, 3, stride=2, pads=1),
    convolution("conv_k3_s2_p1_even", (3, 4, 8, 10), 6, 3, stride=2, pads=1),
    convolution("conv_k3_s2_p0_even", (1, 4, 8, 8), 3, 3, stride=2, bias=True),
    convolution("conv_k3_s1_p3", (1, 3, 5, 5), 4, 3, pads=3),
    convolution("conv_k3_s2_p3_bias", (1, 3, 7, 5), 4, 3, stride=2, pads=3, bias=True),
    convolution("conv_k3_d2_p0", (1, 3, 9, 9), 4, 3, dilation=2),
    convolution("conv_k3_d2_p1", (1, 3, 9, 7), 4, 3, pads=1, dilation=2),
    convolution(
        "conv_k3_d2_p2", (1, 4, 8, 9), 4, 3, pads=2, dilation=2, note="torchvision replace_stride_with_dilation"
    ),
    convolution("conv_k3_s2_d2_p3", (3, 3, 9, 11), 4, 3, stride=2, pads=3, dilation=2),
    convolution("conv_k3_g2_p1", (1, 4, 7, 5), 6, 3, pads=1, groups=2),
    convolution("conv_k3_g2_s2_p1_bias", (3, 6, 7, 8), 4, 3, stride=2, pads=1, groups=2, bias=True),
    convolution("conv_k3_g32_depthwise_s2", (1, 32, 7, 7), 32, 3, stride=2, pads=1, groups=32),
    convolution("conv_k3_g32_w2", (1, 64, 5, 5), 64, 3, pads=1, groups=32),
    convolution("conv_k3_g32_w4_s2", (3, 128, 5, 6), 128, 3, stride=2, pads=1, groups=32, note="ResNeXt 32x4d"),
    convolution("conv_k3_g32_bias_d2", (1, 64, 7, 7), 64, 3, pads=1, dilation=2, groups=32, bias=True),
    convolution("conv_k3_g64", (1, 128, 5, 5), 128, 3, pads=1, groups=64),
    convolution("conv_k3_1x1_input", (3, 8, 1, 1), 8, 3, pads=1, note="1x1 image: only the centre tap lands inside"),
    convolution("conv_k3_s2_2x1_input", (1, 4, 2, 1), 4, 3, stride=2, pads=1),
    convolution("conv_k3_wide", (1, 64, 14, 13), 32, 3, pads=1, note="larger reduction (576)"),
    convolution("conv_k7_s1_p3", (1, 3, 9, 9), 4, 7, pads=3),
    convolution("conv_k7_s2_p3_odd_n3", (3, 3, 17, 19), 8, 7, stride=2, pads=3, note="stem"),
    convolution("conv_k7_s2_p3_even", (1, 3, 16, 20), 8, 7, stride=2, pads=3),
    convolution("conv_k7_s2_p0", (1, 3, 15, 13), 4, 7, stride=2, bias=True),
    convolution("conv_k7_s1_p1_g2", (1, 4, 8, 9), 4, 7, pads=1, groups=2),
    convolution("conv_k7_d2_p3", (1, 2, 15, 14), 3, 7, pads=3, dilation=2),
    convolution("conv_k7_s2_p3_small", (1, 3, 3, 2), 4, 7, stride=2, pads=3, note="image smaller than the kernel"),
    convolution("conv_asym_kernel", (1, 3, 7, 9), 4, (3, 1), stride=(2, 1), pads=(1, 0, 1, 0)),
    convolution(
        "conv_asym_all",
        (3, 4, 9, 8),
        4,
        (1, 3),
        stride=(1, 2),
        pads=(0, 2, 0, 2),
        dilation=(1, 2),
        groups=2,
        bias=True,
    ),
    convolution(
        "conv_same_k3_s2_even",
        (1, 3, 8, 6),
        4,
        3,
        stride=2,
        pads=(0, 0, 1, 1),
        bias=True,
        note=f"{SAME} on even sizes; pads are [top, left, bottom, right]",
    ),
    convolution("conv_same_k7_s2_even", (1, 3, 16, 16), 4, 7, stride=2, pads=(2, 2, 3, 3), bias=True, note=SAME),
    convolution(
        "conv_same_k3_s2_mixed",
        (1, 3, 8, 7),
        4,
        3,
        stride=2,
        pads=(0, 1, 1, 1),
        bias=True,
        note=f"{SAME}, even height, odd width",
    ),
    norm("bn_basic", (2, 5, 3, 4)),
    norm("bn_n3", (3, 16, 7, 5)),
    norm("bn_1x1", (1, 3, 1, 1)),
    norm("bn_keras_eps", (2, 4, 5, 5), epsilon=0.001),
    norm(
        "bn_tiny_var",
        (1, 6, 3, 3),
        var=(0.0, 0.0001),
        note="variance near epsilon: epsilon must sit inside the square root",
    ),
    max_pool("maxpool_even", (1, 3, 8, 10)),
    max_pool("maxpool_odd", (1, 3, 9, 7)),
    max_pool("maxpool_mixed_n3", (3, 2, 7, 8)),
    max_pool("maxpool_negative_even", (1, 3, 8, 8), hi=-1.0, note="all negative: zero padding would show"),
    max_pool("maxpool_negative_odd", (2, 3, 9, 11), hi=-1.0, note="all negative"),
    max_pool("maxpool_tiny", (1, 2, 1, 2), hi=-1.0),
    max_pool("maxpool_ties", (1, 2, 9, 9), -2.0, 2.0, rounded=True, note="integers, many ties"),
    max_pool("maxpool_k2_s2_p0", (1, 3, 7, 8), kernel=2, pads=0),
    max_pool("maxpool_k3_s1_p1", (1, 2, 5, 6), hi=-1.0, stride=1),
    max_pool("maxpool_same_even", (1, 3, 8, 10), hi=-1.0, pads=(0, 0, 1, 1), note=f"{SAME} on even sizes"),
    *(
        plain(id, "global_avg_pool", global_avg_pool, {"x": Fill(x, -1.0, 2.0)})
        for id, x in {"gap_7x7": (2, 5, 7, 7), "gap_1x1": (1, 3, 1, 1), "gap_odd_n3": (3, 8, 5, 9)}.items()
    ),
    average_pool("avgpool_k2_ceil_odd", (1, 3, 7, 5)),
    average_pool("avgpool_k2_ceil_even", (2, 3, 6, 8)),
    matrix("linear_bias", (3, 64), 10, ONES, 0.3, note="w is [out, in]"),
    matrix("linear_nobias", (1, 7), 5, ONES, 0.5, bias=False),
    matrix("linear_wide", (2, 512), 33, (0.0, 2.0), 0.1),
    plain("relu", "relu", relu, {"x": Fill((2, 3, 5, 7), *ONES)}),
    plain("relu_zeros", "relu", relu, {"x": Fill((4, 16), -2.0, 2.0, True)}, note="integers, with exact zeros"),
    plain("add", "add", add, {"a": Fill((2, 3, 5, 7), *ONES), "b": Fill((2, 3, 5, 7), -3.0, 3.0)}),
    plain("add_relu", "add_relu", add_relu, {"a": Fill((3, 4, 3, 3), *ONES), "b": Fill((3, 4, 3, 3), *ONES)}),
    plain("softmax_10", "softmax", softmax, {"x": Fill((3, 10), -4.0, 4.0)}, AXIS),
    plain("softmax_1000", "softmax", softmax, {"x": Fill((2, 1000), -8.0, 8.0)}, AXIS),
    plain(
        "softmax_large",
        "softmax",
        softmax,
        {"x": Fill((2, 9), 900.0, 1000.0)},
        AXIS,
        "overflows unless the maximum is taken off first",
    ),
    plain("log_softmax_10", "log_softmax", log_softmax, {"x": Fill((3, 10), -4.0, 4.0)}, AXIS),
    plain("log_softmax_large", "log_softmax", log_softmax, {"x": Fill((2, 9), -1000.0, 1000.0)}, AXIS),
    plain("sigmoid", "sigmoid", sigmoid, {"x": Fill((2, 40), -12.0, 12.0)}),
    plain(
        "mul_channel",
        "mul",
        mul,
        {"a": Fill((2, 3, 4, 5), *ONES), "b": Fill((2, 3, 1, 1), 0.0, 1.0)},
        note="SE gate: b is broadcast over H and W",
    ),
    shifted("option_a_center", 2, 2),
    shifted("option_a_end", 0, 4),
    plain(
        "cross_entropy",
        "cross_entropy",
        cross_entropy,
        {"x": Fill((5, 10), -4.0, 4.0), "labels": Labels((3, 0, 9, 3, 7))},
        note="mean over the batch; y is a scalar (shape [])",
    ),
    convolution("grad_conv_k3_s1_p1", (2, 3, 5, 6), 4, 3, pads=1, bias=True, dy=(2, 4, 5, 6)),
    convolution("grad_conv_k3_s2_p1_odd", (2, 4, 7, 9), 5, 3, stride=2, pads=1, dy=(2, 5, 4, 5)),
    convolution(
        "grad_conv_k3_s2_p1_even",
        (2, 4, 8, 6),
        5,
        3,
        stride=2,
        pads=1,
        dy=(2, 5, 4, 3),
        note="the last padded row is never read",
    ),
    convolution("grad_conv_k1_s2", (2, 4, 7, 8), 6, 1, stride=2, dy=(2, 6, 4, 4)),
    convolution("grad_conv_k7_s2_p3", (2, 3, 13, 12), 4, 7, stride=2, pads=3, dy=(2, 4, 7, 6)),
    convolution("grad_conv_k3_g4_s2", (2, 8, 7, 6), 8, 3, stride=2, pads=1, groups=4, dy=(2, 8, 4, 3)),
    convolution("grad_conv_k3_d2_p2", (1, 3, 7, 7), 4, 3, pads=2, dilation=2, dy=(1, 4, 7, 7)),
    norm_train("bn_train", (3, 5, 4, 3), "new_var uses the unbiased batch variance, y the biased one"),
    norm_train("bn_train_two_values", (2, 4, 1, 1), "two values per channel"),
    max_pool("grad_maxpool_even", (2, 3, 8, 6), dy=(2, 3, 4, 3)),
    max_pool("grad_maxpool_odd_negative", (1, 2, 7, 9), hi=-1.0, dy=(1, 2, 4, 5)),
    Case(
        "grad_relu",
        "relu_grad",
        {},
        {"x": Fill((3, 20), -2.0, 2.0, True), "dy": Fill((3, 20), *ONES)},
        backward(relu),
        "gradient 0 where x is exactly 0",
    ),
    Case(
        "grad_gap",
        "global_avg_pool_grad",
        {},
        {"x": Fill((2, 3, 5, 3), *ONES), "dy": Fill((2, 3, 1, 1), *ONES)},
        backward(global_avg_pool),
    ),
    Case(
        "grad_linear",
        "linear_grad",
        {},
        {
            "x": Fill((3, 7), *ONES),
            "w": Fill((5, 7), *ONES),
            "b": Fill((5,), *ONES),
            "dy": Fill((3, 5), *ONES),
        },
        backward(linear),
    ),
    Case(
        "grad_cross_entropy",
        "cross_entropy_grad",
        {},
        {"x": Fill((4, 10), -4.0, 4.0), "labels": Labels((1, 9, 0, 4))},
        backward(cross_entropy),
    ),
    optimizer("sgd_momentum_wd", 0.1, 0.0001, False),
    optimizer("sgd_nesterov", 0.05, 0.0005, True),
]
