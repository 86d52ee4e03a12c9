"""A model's tensors: their roles, and their fill."""

import torch
from torch import nn

import hash_fill


def roles_of(model):
    """The role of each key of the state_dict, in its order."""
    found = {}
    for name, module in model.named_modules():
        for key in roles_in(module):
            found[f"{name}.{key}" if name else key] = roles_in(module)[key]
    names = model.state_dict().keys()
    roles = {name: found[name] for name in names}
    last = {
        name: "bn_gamma_last" for name in names if roles[name] == "bn_gamma" and hash_fill.is_last_norm(name, names)
    }
    return roles | last


def roles_in(module):
    if isinstance(module, nn.Conv2d):
        return {"weight": "conv_w", "bias": "conv_b"}
    if isinstance(module, nn.Linear):
        return {"weight": "fc_w", "bias": "fc_b"}
    if isinstance(module, nn.BatchNorm2d):
        statistics = {"running_mean": "bn_mean", "running_var": "bn_var", "num_batches_tracked": "num_batches_tracked"}
        return {"weight": "bn_gamma", "bias": "bn_beta", **statistics}
    return {}


def listed(model):
    """Each key with its shape and role."""
    roles = roles_of(model)
    return [[name, list(value.shape), roles[name]] for name, value in model.state_dict().items()]


def without_memory(build):
    """A model whose tensors have shapes and no numbers."""
    with torch.device("meta"):
        return build().eval()


def filled(model):
    """Gives a model without memory its float32 weights. Answers with the tensors as listed, and their SHA-256."""
    digest, state, tensors = hash_fill.Digest(), {}, []
    for name, shape, role in listed(model):
        if role == "num_batches_tracked":
            state[name] = torch.tensor(0)
            continue
        values = hash_fill.fill_role(name, shape, role)
        digest.add(values)
        state[name] = torch.from_numpy(values)
        tensors.append([name, shape, role])
    model.load_state_dict(state, assign=True)
    return tensors, digest.hex()
