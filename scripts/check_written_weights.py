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
