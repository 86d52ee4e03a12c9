"""train/*.json: three steps of SGD in train mode, in float64, and how far PyTorch's float32 is from that."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

import hash_fill
from catalogue import BY_ID
from kinks import kink_margin
from measure import statistics, summed
from weights import filled, without_memory

STEPS = 3
SGD = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "dampening": 0, "nesterov": False}
FAR = 1e-4


@dataclass(frozen=True)
class Run:
    net: str
    shape: tuple
    input: str
    """The input's name: of a hundred and more the one that keeps clearest of kinks (kinks.py)."""

    @property
    def id(self):
        return f"train_{self.net}_{'x'.join(map(str, self.shape))}"


RUNS = [
    Run("cifar_resnet20", (8, 3, 32, 32), "input@73"),
    Run("resnet18", (4, 3, 64, 64), "input@19"),
    Run("resnet50", (4, 3, 64, 64), "input@112"),
    Run("resnext14_32x4d", (8, 3, 32, 32), "input@7"),
    Run("resnext50_32x4d", (4, 3, 64, 64), "input@100"),
]


@dataclass
class Steps:
    """What a run went through, as tensors."""

    logits: list
    losses: list
    grads: dict
    params: list
    buffers: list
    final: torch.Tensor


def copies(named):
    return {name: value.detach().clone() for name, value in named}


def statistics_of(model):
    return copies((name, value) for name, value in model.named_buffers() if "running" in name)


def run_steps(model, image, labels):
    """Three steps on one batch, then the losses of the state that they leave."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), **SGD)
    steps = Steps([], [], {}, [], [], None)
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model(image)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        if step == 0:
            steps.grads = {name: each.grad.clone() for name, each in model.named_parameters()}
        optimizer.step()
        steps.logits.append(logits.detach())
        steps.losses.append(loss.item())
        steps.params.append(copies(model.named_parameters()))
        steps.buffers.append(statistics_of(model))
    with torch.no_grad():
        steps.final = model.eval()(image)
        model.train()
        steps.losses.append(F.cross_entropy(model(image), labels).item())
    return steps


def training(run):
    """The record of a run."""
    net = BY_ID[run.net]
    single, exact = without_memory(net.build), without_memory(net.build)
    tensors, weights = filled(single)
    filled(exact)
    exact.double()
    image = hash_fill.image(run.shape, run.input)
    digest = hash_fill.Digest()
    digest.add(image)
    image = torch.from_numpy(image)
    margin = kink_margin(single, exact, image)
    filled(single)  # the margin's passes moved the running statistics
    filled(exact)
    exact.double()
    labels = torch.tensor(hash_fill.labels(run.shape[0], single.fc.out_features))
    in_single = run_steps(single, image, labels)
    in_double = run_steps(exact, image.double(), labels)
    return {
        "format": "resnet-goldens/1",
        "kind": "training",
        "id": run.id,
        "salt": hash_fill.SALT,
        "model": {"family": net.family, "name": net.id, "is": net.says},
        "mode": "train",
        "dtype": "float64",
        "layout": "NCHW",
        "bnEpsilon": net.epsilon,
        "bnMomentum": 0.1,
        "input": {"name": run.input, "shape": list(run.shape), "sha256": digest.hex(), "kinkMargin": margin},
        "labels": labels.tolist(),
        "loss": "mean cross-entropy of the logits",
        "sgd": {**SGD, "steps": STEPS},
        "weightsSha256": weights,
        **recorded(in_double, labels),
        "fp32": errors(in_single, in_double, labels),
        "tensors": tensors,
    }


def recorded(steps, labels):
    """The losses, the gradients of the first step, the state after each step, and what the last one answers."""
    states = zip(steps.losses, steps.params, steps.buffers)
    return {
        "initialLoss": steps.losses[0],
        "initialLogits": statistics(steps.logits[0], 64),
        "grads": {name: summed(value) for name, value in steps.grads.items()},
        "losses": steps.losses,
        "steps": [
            {
                "loss": loss,
                "params": {name: summed(value) for name, value in params.items()},
                "buffers": {name: running(value) for name, value in buffers.items()},
            }
            for loss, params, buffers in states
        ],
        "final": {
            "trainLoss": steps.losses[-1],
            "evalLoss": F.cross_entropy(steps.final, labels).item(),
            "evalLogits": statistics(steps.final, 64),
            "numBatchesTracked": [STEPS],
        },
    }


def running(value):
    """What is recorded of a running statistic."""
    found = statistics(value, 8)
    del found["shape"]
    return found


def errors(single, exact, labels):
    """Float32 against float64: losses, lengths of gradients, and max |d| / max |reference| of each tensor."""
    lengths = {name: relative(single.grads[name].double().norm(), value.norm()) for name, value in exact.grads.items()}
    in_order = sorted(lengths.values())
    worst = max(lengths, key=lengths.get)
    evals = [F.cross_entropy(each.final.double(), labels).item() for each in (single, exact)]
    return {
        "lossAbs": [abs(a - b) for a, b in zip(single.losses, exact.losses)],
        "evalLossAbs": abs(evals[0] - evals[1]),
        "gradL2Rel": {"worst": lengths[worst], "worstName": worst, "median": in_order[len(in_order) // 2]},
        "gradMaxOverMax": spread(single.grads, exact.grads),
        "paramMaxOverMax": [spread(*each) for each in zip(single.params, exact.params)],
        "bufferMaxOverMax": [spread(*each) for each in zip(single.buffers, exact.buffers)],
        "evalLogitsRelToMax": off(single.final, exact.final),
    }


def relative(a, b):
    return (abs(a - b) / abs(b)).item()


def off(single, exact):
    return ((single.double() - exact).abs().max() / exact.abs().max()).item()


def spread(single, exact):
    offs = {name: off(single[name], value) for name, value in exact.items()}
    in_order, worst = sorted(offs.values()), max(offs, key=offs.get)
    return {
        "worst": offs[worst],
        "worstName": worst,
        "p90": in_order[int(0.9 * len(in_order))],
        "median": in_order[len(in_order) // 2],
        "tensorsOver1e-4": sum(value > FAR for value in in_order),
        "tensors": len(in_order),
    }
