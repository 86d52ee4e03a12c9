"""The same by safetensors 0.8.0 and torch 2.15.0. safetensors maps the file: its "read" looks at no number."""

import json
import re
import sys
import time

import torch
from safetensors.torch import load_file


def memory(field: str) -> int:
    """In bytes."""
    with open("/proc/self/status") as status:
        return 1024 * int(re.search(rf"{field}:\s+(\d+)", status.read()).group(1))


path = sys.argv[1]
before = memory("VmRSS")
start = time.perf_counter()
tensors = load_file(path) if path.endswith(".safetensors") else torch.load(path, weights_only=True)
read = time.perf_counter() - start
copies = {name: tensor.clone() for name, tensor in tensors.items()} if path.endswith(".safetensors") else tensors
everything = time.perf_counter() - start
print(json.dumps({"read": 1e3 * read, "all": 1e3 * everything, "memory": memory("VmHWM") - before}))
