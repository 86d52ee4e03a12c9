"""Reads the files of written-weights.ts by the libraries whose formats they are, and compares bits: python
check_written_weights.py FOLDER

Run with torch 2.15.0, numpy 2.4.6, safetensors 0.8.0 on Python 3.11.
"""

import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

folder = Path(sys.argv[1])


def same(found, expected, what):
    assert list(found) == list(expected) or sorted(found) == sorted(expected), (what, list(found))
    for name, tensor in expected.items():
        array = found[name]
        assert (array.dtype, array.shape) == (tensor.dtype, tensor.shape), (what, name, array.dtype, array.shape)
        assert array.tobytes() == tensor.tobytes(), (what, name)
    print(f"{what}: {len(expected)} tensors, the same bits")


for path in sorted(folder.glob("*.safetensors")):
    if not path.with_suffix(".npz").exists():
        continue
    expected = load_file(path)
    for ending in ["npz", "pth"]:
        assert zipfile.ZipFile(path.with_suffix(f".{ending}")).testzip() is None, path
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as npz:
        same({name: npz[name] for name in npz.files}, expected, f"np.load, {path.stem}.npz")
    for mmap in [False, True]:
        state = torch.load(path.with_suffix(".pth"), weights_only=True, mmap=mmap)
        assert type(state).__name__ == "OrderedDict"
        assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in state.values())
        same(
            {name: tensor.numpy() for name, tensor in state.items()},
            expected,
            f"torch.load, mmap={mmap}, {path.stem}.pth",
        )

# A script of PyTorch goes on from a checkpoint: its network and its optimizer load it strictly, and take a step.
network, momenta = load_file(folder / "network.safetensors"), load_file(folder / "momenta.safetensors")
for path in sorted(folder.glob("*.checkpoint")):
    checkpoint = torch.load(path, weights_only=True)
    model = checkpoint["model"]
    assert (checkpoint["epoch"], checkpoint["step"], checkpoint["arch"]) == (3, 7, "cifar_resnet20"), path
    assert checkpoint["preprocessing"]["crop"] == 32 and checkpoint["preprocessing"]["std"] == [0.247, 0.2435, 0.2616]
    counters = [name for name in model if name.endswith("num_batches_tracked")]
    assert len(counters) == 19 and all(
        model[name].dtype == torch.int64 and model[name].shape == () for name in counters
    )
    same({name: model[name].numpy() for name in model if name not in counters}, network, f"model of {path.name}")

    parameters = {name: torch.nn.Parameter(value) for name, value in model.items() if value.is_floating_point()}
    trained = {name: value for name, value in parameters.items() if "running_" not in name}
    groups = [{"params": list(trained.values())}]
    make = torch.optim.SGD
    if path.name.startswith("adamw"):
        make = torch.optim.AdamW
        matrices = [value for value in trained.values() if value.ndim > 1]
        groups = [{"params": matrices}, {"params": [value for value in trained.values() if value.ndim < 2]}]
    optimizer = make(groups, lr=1)
    optimizer.load_state_dict(checkpoint["optimizer"])
    assert len(optimizer.state) == len(trained)
    for name, parameter in trained.items():
        slots = {slot: value.numpy() for slot, value in optimizer.state[parameter].items()}
        mean = momenta[name]
        expected = {"step": np.float32(7), "exp_avg": mean, "exp_avg_sq": mean * mean}
        for slot, value in slots.items():
            assert np.array_equal(value, {"momentum_buffer": mean, **expected}[slot]), (path, name, slot)
        parameter.grad = torch.ones_like(parameter)
    first = optimizer.param_groups[0]
    assert first["lr"] == (0.1 if make is torch.optim.SGD else 0.001), first
    optimizer.step()
    print(f"{make.__name__} goes on from {path.name}: {len(trained)} parameters, {len(groups)} groups")
