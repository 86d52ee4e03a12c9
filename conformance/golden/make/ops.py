"""ops/index.json and ops/*.safetensors: single operators, forward and backward."""

import numpy as np
import torch
from safetensors.numpy import save_file

import hash_fill
from ops_cases import CASES, Labels
from text import in_lines

FILES = {
    "conv2d": "conv2d",
    "batch_norm": "batch_norm",
    "max_pool2d": "pool",
    "global_avg_pool": "pool",
    "avg_pool2d": "pool",
}
"""The file that holds an operator's tensors; gradients and optimizers lie in grad, all else in misc."""


def file_of(op):
    if op.endswith(("_grad", "_train")) or op == "sgd":
        return "grad.safetensors"
    return f"{FILES.get(op, 'misc')}.safetensors"


def drawn(case, name, fill):
    """An input's numbers."""
    if isinstance(fill, Labels):
        return np.array(fill.values, np.int32)
    values = hash_fill.fill(f"op/{case.id}/{name}", fill.shape, fill.lo, fill.hi)
    return np.round(values) + np.float32(0) if fill.rounded else values  # + 0: no negative zeros


def exact(values):
    """As the operator is given it: float32 widened to float64, labels as they are."""
    tensor = torch.from_numpy(values)
    return tensor.double() if values.dtype == np.float32 else tensor.long()


def input_entry(case, name, fill):
    entry = {"tensor": f"{case.id}/{name}"}
    if isinstance(fill, Labels):
        return entry | {"shape": [len(fill.values)], "dtype": "I32"}
    entry |= {
        "shape": list(fill.shape),
        "dtype": "F32",
        "hashName": f"op/{case.id}/{name}",
        "range": [fill.lo, fill.hi],
    }
    return entry | ({"then": "round"} if fill.rounded else {})


def answered(case):
    """A case's line in the index, and its tensors."""
    inputs = {name: drawn(case, name, fill) for name, fill in case.inputs.items()}
    outputs = case.run({name: exact(values) for name, values in inputs.items()}, case.attrs)
    outputs = {name: value.detach().numpy() for name, value in outputs.items()}
    entry = {
        "id": case.id,
        "op": case.op,
        "file": file_of(case.op),
        "attrs": case.attrs,
        "inputs": {name: input_entry(case, name, fill) for name, fill in case.inputs.items()},
        "outputs": {
            name: {"tensor": f"{case.id}/{name}", "shape": list(value.shape), "dtype": "F64"}
            for name, value in outputs.items()
        },
    }
    tensors = {f"{case.id}/{name}": np.asarray(value, order="C") for name, value in {**inputs, **outputs}.items()}
    return entry | ({"note": case.note} if case.note else {}), tensors


def ops(path):
    """Writes the index, and the files of tensors beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries, files = [], {}
    for case in CASES:
        entry, tensors = answered(case)
        entries.append(entry)
        files.setdefault(entry["file"], {}).update(tensors)
    for name, tensors in files.items():
        save_file(tensors, path.parent / name)
    head = {"format": "resnet-goldens/1", "kind": "ops", "salt": hash_fill.SALT}
    head |= {"dtype": "float64", "layout": "NCHW / OIHW"}
    path.write_text(in_lines(head | {"cases": entries}), encoding="utf-8", newline="\n")
