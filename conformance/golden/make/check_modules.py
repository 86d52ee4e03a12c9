"""Runs what `residual export MODEL --to net.py` writes, for every model, and compares it with PyTorch's records."""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import hash_fill
from catalogue import find
from folder import write
from infer import case_id
from measure import sample_indices
from structure import digest, state_rows
from text import in_lines

GOLDEN = Path(__file__).resolve().parent.parent
ROOT = GOLDEN.parent.parent
ROUNDING = 1e-12
"""Of the largest number: sums in another order."""


def check_modules(names):
    """Prints a line for each model, puts it into modules.json, and exits with 1 where one differs."""
    known = [model["name"] for model in json.loads(residual("models", "--json"))]
    failed = False
    for name in names or known:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            result = check(name, Path(folder))
        print(f"{name}: {compact(result)}  {time.monotonic() - start:.1f} s", flush=True)
        failed |= result["difference"] > result["allowed"] or result["golden"] > ROUNDING
        update(name, result, known)
    sys.exit(failed)


def update(name, result, known):
    path = GOLDEN / "modules.json"
    models = json.loads(path.read_text("utf-8"))["models"] if path.exists() else {}
    models[name] = result | {"torch": torch.__version__.split("+")[0]}
    models = {name: models[name] for name in known if name in models}
    write(path, in_lines({"format": "resnet-goldens/1", "kind": "modules", "models": models}))


def compact(result):
    return f"{result['difference']:.1e} of {result['allowed']:.1e} allowed, {result['golden']:.1e} from the records"


def residual(*words):
    node = os.environ.get("NODE", "node")
    command = [node, str(ROOT / "packages/cli/bin/residual.js"), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check(name, folder):
    """Runs the module as a program, and compares its state_dict and its answers with those of the records."""
    path = folder / "net.py"
    residual("export", name, "--weights", "fixture:v1", "--to", str(path))
    program = subprocess.run([sys.executable, str(path)], check=False, capture_output=True, text=True)
    numbers = re.search(r"in float64: (\S+)\nallowed: (\S+) ", program.stdout)
    if program.returncode != 0 or not numbers:
        raise SystemExit(f"{name}: exit code {program.returncode}\n{program.stdout}{program.stderr}")
    difference, allowed = map(float, numbers.groups())
    module = imported(path)
    check_state(name, module)
    return {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "difference": difference,
        "allowed": allowed,
        "golden": golden_difference(name, module),
    }


def imported(path):
    spec = importlib.util.spec_from_file_location("net", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_state(name, module):
    """Names, shapes and order of the state_dict are those of the model that the record was made of."""
    record = json.loads((GOLDEN / "structure" / f"{find(name).id}.json").read_text("utf-8"))
    with torch.device("meta"):
        state = module.Net().state_dict()
    rows = state_rows([[key, value.shape, key.rsplit(".", 1)[-1]] for key, value in state.items()])
    expected = record.get("stateDictSha256") or digest(state_rows(record["stateDict"]))
    assert digest(rows) == expected, f"{name}: its state_dict is not that of structure/{find(name).id}.json"
    by_hand = module.read_without_package(module.WEIGHTS)[0]
    assert set(by_hand) == {key for key in state if not key.endswith("num_batches_tracked")}, name


@torch.no_grad()
def golden_difference(name, module):
    """The largest difference of an answer from the recorded ones, of the largest recorded number."""
    net, largest = module.load().double(), 0.0
    for case in find(name).cases:
        record = json.loads((GOLDEN / "infer" / f"{case_id(find(name), case)}.json").read_text("utf-8"))
        output = "logits" if "avgpool" in find(name).stages else "output"
        whole = record.get(output)
        answer = net(torch.from_numpy(hash_fill.image(case.shape)).double()).flatten()
        if whole:
            expected = torch.tensor(whole["values"], dtype=torch.float64)
        else:
            samples = record["activations"][output]["samples"]
            expected = torch.tensor(samples, dtype=torch.float64)
            answer = answer[sample_indices(answer.numel(), len(samples))]
        largest = max(largest, ((answer - expected).abs().max() / expected.abs().max()).item())
    return float(f"{largest:.1e}")
