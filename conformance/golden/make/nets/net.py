"""What the catalogue knows of a model."""

from dataclasses import dataclass, field
from typing import Callable

import torch
from torch import nn


class Silent(nn.Module):
    """A module without parameters that structure does not list as a layer."""


class Stage(Silent):
    """Marks a value of a forward pass by the module's name."""

    def forward(self, x):
        return x


@dataclass(frozen=True)
class Case:
    """An inference to be recorded."""

    shape: tuple
    long: bool = False
    """Whether the record holds 64 samples a stage, all logits and all tensors, or only 16 samples of each."""
    maps: bool = False
    """Whether class activation maps are a stage."""
    note: str | None = None


@dataclass(frozen=True)
class Net:
    id: str
    family: str
    says: str
    """What the model is, in words."""
    build: Callable[[], nn.Module]
    input: tuple = (1, 3, 224, 224)
    """The shape that the structure is recorded for."""
    stages: dict = field(default_factory=dict)
    """The module whose output is a stage, by the stage's name."""
    cases: tuple = ()
    epsilon: float = 1e-5
    softmax: bool = False
    """Whether the model ends in a softmax; its module gives the logits."""
    published: dict | None = None
    long: bool = False
    """Whether structure lists every parameter and layer, or only their digests."""


def stages_of(depth, stem="stem", pool="avgpool", last=None):
    """The usual stages: the stem, the layers, what follows the last of them, the pooled features."""
    layers = {f"layer{i}": f"layer{i}" for i in range(1, depth + 1)}
    final = {"final_relu": last} if last else {}
    return {"stem": stem, **layers, **final, "avgpool": pool}


SMALL = Case((1, 3, 45, 59))
"""An image for recorded answers: sizes on the way are odd and even, and no two axes alike."""


def zero_pad_channels(x, before, after):
    return torch.nn.functional.pad(x, (0, 0, 0, 0, before, after))
