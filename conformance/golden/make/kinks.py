"""How clear an input keeps of a network's kinks.

Rounding alone may push a rectifier's input across zero, or a max pool's runner-up past its winner, and a gradient then
changes by percents. The margin is the least distance from such a kink, in units of the layer's float32 error (rms).
"""

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


class Kinks(TorchFunctionMode):
    """Collects the distances from kinks, call by call."""

    def __init__(self):
        super().__init__()
        self.relus, self.pools = [], []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in ("relu", "relu_"):
            self.relus.append(args[0].detach().clone())
        if name in ("max_pool2d", "boolean_dispatch", "_max_pool2d"):
            self.pools.append(args[0].detach().clone())
        return function(*args, **(kwargs or {}))


@torch.no_grad()
def passed(model, image):
    model.train()
    with Kinks() as kinks:
        model(image)
    return kinks


def kink_margin(single, exact, image):
    rough, fine = passed(single, image), passed(exact, image.double())
    margins = [margin(a, b, b.abs()) for a, b in zip(rough.relus, fine.relus)]
    margins += [margin(a, b, leads(b)) for a, b in zip(rough.pools, fine.pools)]
    return round(min(margins), 2)


def margin(single, exact, distances):
    noise = (single.double() - exact).square().mean().sqrt()
    return (distances.min() / noise).item()


def leads(x):
    """How far the largest of each 3x3 window is ahead of the next, step 2, padding 1."""
    windows = F.unfold(F.pad(x.flatten(0, 1)[:, None], (1, 1, 1, 1), value=-1e30), 3, stride=2)
    first, second = windows.topk(2, 1).values.unbind(1)
    return (first - second)[first > 0] if (x >= 0).all() else first - second
