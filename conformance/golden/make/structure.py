"""structure/*.json: keys, shapes, numbers of parameters and multiply-adds, layer by layer."""

import hashlib
import math

import torch
from torch import nn

from nets.net import Silent
from weights import listed, without_memory


def conv_attributes(conv):
    of = {"in": conv.in_channels, "out": conv.out_channels, "kernel": conv.kernel_size, "stride": conv.stride}
    of |= {"pad": conv.padding, "dilation": conv.dilation, "groups": conv.groups, "bias": conv.bias is not None}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in of.items()}


def attributes_of(module):
    if isinstance(module, nn.Conv2d):
        return [conv_attributes(module)]
    if isinstance(module, nn.Linear):
        return [{"in": module.in_features, "out": module.out_features, "bias": module.bias is not None}]
    return []


def is_layer(module):
    """Whether structure lists a module: it runs, and no child of its own does, but for timm's pooling."""
    if isinstance(module, (nn.Sequential, nn.Identity, Silent)):
        return False
    return not list(module.children()) or type(module).__name__ == "SelectAdaptivePool2d"


class Trace:
    """The layers that run, the shapes of stages, and the multiply-adds."""

    def __init__(self, net, model):
        self.layers, self.stages, self.macs = [], {}, {"conv": 0, "fc": 0}
        stage_of = {module: stage for stage, module in net.stages.items()}
        for name, module in model.named_modules():
            module.register_forward_hook(self.hook(name, is_layer(module), stage_of.get(name)))

    def hook(self, name, listed, stage):
        def seen(module, _, output):
            if stage:
                self.stages[stage] = stage_shape(stage, output)
            if listed:
                row = [name, type(module).__name__, list(output.shape), *attributes_of(module)]
                self.layers.append(row)
                self.count(module, output)

        return seen

    def count(self, module, output):
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            return
        kind = "conv" if isinstance(module, nn.Conv2d) else "fc"
        self.macs[kind] += output.numel() * math.prod(module.weight.shape[1:])


def stage_shape(stage, output):
    """Pooled features are [N, C, 1, 1], which timm has flattened."""
    shape = list(output.shape)
    return [*shape, 1, 1] if stage == "avgpool" and len(shape) == 2 else shape


def count_of(layers, *kinds):
    return sum(type in kinds for _, type, *_ in layers)


def structure(net):
    """The record of a net."""
    model = without_memory(net.build)
    trace = Trace(net, model)
    output = model(torch.zeros(net.input, device="meta"))
    state, layers = listed(model), trace.layers
    statistics = sum(math.prod(shape) for _, shape, role in state if role in ("bn_mean", "bn_var"))
    record = {
        "format": "resnet-goldens/1",
        "kind": "structure",
        "id": net.id,
        "model": {"family": net.family, "name": net.id, "is": net.says},
        "input": list(net.input),
        "output": list(output.shape),
        "params": sum(each.numel() for each in model.parameters()),
        "buffers": {
            "runningStats": statistics,
            "numBatchesTracked": sum(role == "num_batches_tracked" for *_, role in state),
        },
        "layersOf": {
            "conv": count_of(layers, "Conv2d", "KerasConv"),
            "batchNorm": count_of(layers, "BatchNorm2d", "BatchNormAct2d"),
            "linear": count_of(layers, "Linear"),
        },
        "macs": trace.macs | {"total": sum(trace.macs.values())},
    }
    if net.published:
        record["published"] = net.published
    return record | {"stages": {stage: trace.stages[stage] for stage in net.stages}} | details(net, state, layers)


def details(net, state, layers):
    if net.long:
        return {"stateDict": state, "layers": layers}
    return {"stateDictSha256": digest(state_rows(state)), "layersSha256": digest(layer_rows(layers))}


def state_rows(state):
    """A line for each parameter and statistic, in the order of the state_dict."""
    return [f"{name} {','.join(map(str, shape))}" for name, shape, role in state if role != "num_batches_tracked"]


def layer_rows(layers):
    """A line for each convolution, norm and linear layer, sorted, as two frameworks need not run them in one order."""
    kinds = {"Conv2d": "conv2d", "KerasConv": "conv2d", "BatchNorm2d": "batchNorm", "Linear": "linear"}
    return sorted(
        f"{name} {kinds[type]} {','.join(map(str, shape))}" for name, type, shape, *_ in layers if type in kinds
    )


def digest(rows):
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def index_entry(record):
    """A model's line in structure/index.json."""
    return {
        "id": record["id"],
        "is": record["model"]["is"],
        "input": record["input"],
        "params": record["params"],
        "runningStats": record["buffers"]["runningStats"],
        "layersOf": record["layersOf"],
        "macs": record["macs"],
        "published": record.get("published"),
    }
