"""All models, in the order of structure/index.json, and how a name finds one."""

from nets import cifar, from_timm, from_torchvision, keras_applications, preact, tutorials

NETS = [
    *from_torchvision.PLAIN,
    *from_timm.PLAIN,
    *cifar.PLAIN,
    *tutorials.PLAIN,
    *cifar.DEEP,
    *from_torchvision.MORE,
    *from_timm.MORE,
    *cifar.MORE,
    *preact.MORE,
    *keras_applications.MORE,
    *tutorials.MORE,
]
BY_ID = {net.id: net for net in NETS}

# The names of packages/core/src/models/variants.ts for nets that are recorded under older ones
RENAMED = {
    "paddle_unit": "seed000_block",
    "paddle_unit_s1_id": "seed000_block_s1_id",
    "paddle_unit_s1_proj": "seed000_block_s1_proj",
    "paddle_unit_s2": "seed000_block_s2",
    "paddle_unit_sequential": "seed000_sequential",
    "keras_tutorial_resnet": "seed002_keras",
    "pytorch_unit": "seed003_block",
    "pytorch_unit_s1_id": "seed003_block_s1_id",
    "pytorch_unit_s1_proj": "seed003_block_s1_proj",
    "pytorch_unit_s2": "seed003_block_s2",
    "pytorch_tutorial_net": "seed004_net",
}


def find(name):
    """The net of an id, or of a name in the table of models; None for an unknown name."""
    return next((BY_ID[id] for id in (name, RENAMED.get(name), f"timm_{name}") if id in BY_ID), None)
