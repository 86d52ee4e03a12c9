# /// script
# requires-python = "==3.11.*"
# dependencies = ["torch==2.15.0", "numpy==2.4.6"]
# ///
"""Adds the stage `cam`, class activation maps [N, classes, H, W], to recorded cases.

Each map is written out as Zhou et al. 2016, section 2 has it: the classifier's weights times the last feature map. The
script computes the whole network first, and goes on only if weights, input and logits are those of the record.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = Path(__file__).parent / "infer"
CASES = [
    "cifar_resnet20_4x3x32x32",
    "cifar_preact20_proj_4x3x32x32",
    "resnet18_1x3x97x131",
    "resnet50_1x3x97x131",
]
torch.set_num_threads(2)


def fill(salt, name, shape, lo, hi):
    """The hash fill of README.md."""
    seed = 0x811C9DC5
    for byte in f"{salt}/{name}".encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    i = np.arange(int(np.prod(shape)), dtype=np.uint64)
    h = (np.uint64(seed) + i * np.uint64(0x9E3779B9)) & np.uint64(0xFFFFFFFF)
    h = ((h ^ (h >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & np.uint64(0xFFFFFFFF)
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & np.uint64(0xFFFFFFFF)
    h = h ^ (h >> np.uint64(16))
    u = (h >> np.uint64(8)).astype(np.float64) * 2.0**-24
    return (lo + (hi - lo) * u).astype(np.float32).reshape(shape)


def span(role, shape):
    """Lowest and highest value of a role."""
    ranges = {
        "conv_b": (-0.1, 0.1),
        "bn_gamma": (0.8, 1.2),
        "bn_gamma_last": (0.05, 0.25),
        "bn_beta": (-0.1, 0.1),
        "bn_mean": (-0.2, 0.8),
        "bn_var": (0.5, 1.5),
        "fc_b": (-0.1, 0.1),
    }
    if role == "conv_w":
        b = np.sqrt(6 / np.prod(shape[1:]))
        return -b, b
    if role == "fc_w":
        b = np.sqrt(3 / shape[1])
        return -b, b
    return ranges[role]


def network(w, x, eps=1e-5):
    """The last feature map and the logits. What the network is follows from the names of its weights."""

    def norm(x, name):
        of = lambda field: w[f"{name}.{field}"]
        return F.batch_norm(x, of("running_mean"), of("running_var"), of("weight"), of("bias"), eps=eps)

    def conv(x, name, stride=1):
        weight = w[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def shortcut(x, name, channels, stride):
        if f"{name}.downsample.0.weight" in w:
            return norm(conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
        if x.shape[1] == channels and stride == 1:
            return x
        zeros = (channels - x.shape[1]) // 2
        return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, zeros, zeros))

    pre_activated = "bn.weight" in w
    is_wide = w["conv1.weight"].shape[-1] == 7
    x = conv(x, "conv1", 2 if is_wide else 1)
    if not pre_activated:
        x = F.relu(norm(x, "bn1"))
    if is_wide:
        x = F.max_pool2d(x, 3, 2, 1)
    for name in dict.fromkeys(".".join(key.split(".")[:2]) for key in w if key.startswith("layer")):
        stride = 2 if name.endswith(".0") and not name.startswith("layer1.") else 1
        convs = 3 if f"{name}.conv3.weight" in w else 2
        channels = w[f"{name}.conv{convs}.weight"].shape[0]
        if pre_activated:
            active = F.relu(norm(x, f"{name}.bn1"))
            way = conv(active, f"{name}.shortcut", stride) if f"{name}.shortcut.weight" in w else x
            y = conv(active, f"{name}.conv1", stride)
            y = conv(F.relu(norm(y, f"{name}.bn2")), f"{name}.conv2")
            x = y + way
            continue
        y = x
        for i in range(1, convs + 1):
            y = norm(conv(y, f"{name}.conv{i}", stride if i == convs - 1 else 1), f"{name}.bn{i}")
            y = F.relu(y) if i < convs else y
        x = F.relu(y + shortcut(x, name, channels, stride))
    if pre_activated:
        x = F.relu(norm(x, "bn"))
    return x, F.linear(x.mean((2, 3)), w["fc.weight"], w["fc.bias"])


def cam(w, features):
    return torch.einsum("kc,nchw->nkhw", w["fc.weight"], features)


def digest(arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in arrays)).hexdigest()


def with_stage(text, block, following, stage):
    """The record's text with a line more in a block; the other lines stay as they are."""
    end = text.index(f'\n}},\n"{following}"', text.index(f'"{block}":'))
    line = json.dumps(stage, separators=(",", ":"))
    return f'{text[:end]},\n "cam":{line}{text[end:]}'


for case in CASES:
    path = FOLDER / f"{case}.json"
    text = path.read_text()
    golden = json.loads(text)
    if "cam" in golden["activations"]:
        continue
    salt, shape = golden["salt"], golden["input"]["shape"]
    tensors = [fill(salt, name, size, *span(role, size)) for name, size, role in golden["tensors"]]
    assert digest(tensors) == golden["weightsSha256"], f"{case}: other weights"
    image = (
        fill(salt, "input", shape, -1, 1).astype(np.float64)
        + fill(salt, "input.offset", shape[:2], -2, 2)[..., None, None]
    )
    image = image.astype(np.float32)
    assert digest([image]) == golden["input"]["sha256"], f"{case}: another input"
    answers = {}
    for dtype in (torch.float64, torch.float32):
        w = {name: torch.from_numpy(each).to(dtype) for (name, _, _), each in zip(golden["tensors"], tensors)}
        features, logits = network(w, torch.from_numpy(image).to(dtype))
        answers[dtype] = cam(w, features).double()
        off = (
            (logits.double().flatten() - torch.tensor(golden["logits"]["values"], dtype=torch.float64))
            .abs()
            .max()
            .item()
        )
        assert off < (1e-12 if dtype == torch.float64 else 1e-5), f"{case}: other logits, off by {off}"
    exact, single = answers[torch.float64], answers[torch.float32]
    flat, n = exact.flatten(), exact.numel()
    recorded = {
        "shape": list(exact.shape),
        "mean": flat.mean().item(),
        "std": flat.std(correction=0).item(),
        "min": flat.min().item(),
        "max": flat.max().item(),
        "samples": [flat[(k * 1000003) % n].item() for k in range(min(64, n))],
    }
    d, top = (single - exact).abs(), exact.abs().max()
    large = exact.abs() > top / 1000
    single_off = {
        "maxAbs": d.max().item(),
        "relToMax": (d.max() / top).item(),
        "maxRel": (d / exact.abs())[large].max().item(),
        "rmsRel": (d.norm() / exact.norm()).item(),
    }
    path.write_text(with_stage(with_stage(text, "activations", "logits", recorded), "fp32", "tensors", single_off))
    print(case, list(exact.shape), single_off["relToMax"])
