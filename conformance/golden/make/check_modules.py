"""Runs what `residual export MODEL --to net.py` writes, for every model, and compares it with PyTorch's records."""

import contextlib
import hashlib
import importlib.util
import io
import json
import math
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
    """What the module says of itself, and how far its state_dict and its answers are from those of the records."""
    path = folder / "net.py"
    residual("export", name, "--weights", "fixture:v1", "--to", str(path))
    module = imported(path)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        is_right = module.check()
    numbers = re.search(r"in float64: (\S+)\nallowed: (\S+) ", said.getvalue())
    if not is_right or not numbers:
        raise SystemExit(f"{name}: {said.getvalue()}")
    difference, allowed = map(float, numbers.groups())
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
    """The largest difference of an answer from the recorded one, of the largest recorded number: for the first image of
    the smallest case, since another image of a batch is computed in the same way."""
    net, known = module.load().double(), find(name)
    case = min(known.cases, key=lambda case: math.prod(case.shape[1:]))
    record = json.loads((GOLDEN / "infer" / f"{case_id(known, case)}.json").read_text("utf-8"))
    output = "logits" if "avgpool" in known.stages else "output"
    answer = net(torch.from_numpy(hash_fill.image(case.shape))[:1].double()).flatten()
    if whole := record.get(output):
        expected = torch.tensor(whole["values"], dtype=torch.float64)[: answer.numel()]
    else:
        samples = dict(
            zip(sample_indices(case.shape[0] * answer.numel(), 16), record["activations"][output]["samples"])
        )
        indices = [index for index in samples if index < answer.numel()]
        expected = torch.tensor([samples[index] for index in indices], dtype=torch.float64)
        answer = answer[indices]
    return float(f"{((answer - expected).abs().max() / expected.abs().max()).item():.1e}")
