"""infer/*.json: whole models in eval mode, in float64, and how far PyTorch's float32 is from that."""

import torch

import hash_fill
from measure import single_off, statistics, whole
from structure import stage_shape
from weights import filled, without_memory

LONG, SHORT = 64, 16
"""Samples of a stage."""


def case_id(net, case):
    return f"{net.id}_{'x'.join(map(str, case.shape))}"


class Answers:
    """A model's stages and output for an image, by name in the order of the record."""

    def __init__(self, net, case, model, image):
        self.stages, seen = {}, {}
        hooks = [
            model.get_submodule(module).register_forward_hook(self.keep(seen, stage))
            for stage, module in net.stages.items()
        ]
        output = model(image)
        for hook in hooks:
            hook.remove()
        self.stages = {stage: seen[stage] for stage in net.stages}
        self.output = output
        self.whole = self.named_outputs(net, output)
        if case.maps:
            features = self.stages.get("final_relu", self.stages.get(f"layer{self.depth()}"))
            self.stages["cam"] = class_activation_maps(model, features)

    @staticmethod
    def keep(seen, stage):
        def hook(_, __, output):
            seen[stage] = output.reshape(stage_shape(stage, output))

        return hook

    @staticmethod
    def named_outputs(net, output):
        if "avgpool" not in net.stages:
            return {"output": output}
        probabilities = {"probabilities": torch.softmax(output, 1)} if net.softmax else {}
        return {"logits": output, **probabilities}

    def depth(self):
        return sum(stage.startswith("layer") for stage in self.stages)


def class_activation_maps(model, features):
    """[N, classes, H, W]: the classifier's weights times the last features (Zhou et al. 2016, section 2)."""
    return torch.einsum("kc,nchw->nkhw", model.fc.weight, features)


@torch.no_grad()
def inference(net, case):
    """The record of a case."""
    model = without_memory(net.build)
    tensors, weights = filled(model)
    image = hash_fill.image(case.shape)
    digest = hash_fill.Digest()
    digest.add(image)
    single = Answers(net, case, model, torch.from_numpy(image))
    exact = Answers(net, case, model.double(), torch.from_numpy(image).double())
    record = {
        "format": "resnet-goldens/1",
        "kind": "inference",
        "id": case_id(net, case),
        "salt": hash_fill.SALT,
        "model": {"family": net.family, "name": net.id, "is": net.says},
        "mode": "eval",
        "dtype": "float64",
        "layout": "NCHW",
        "bnEpsilon": net.epsilon,
    }
    if case.note:
        record["note"] = case.note
    record |= {
        "input": {"name": "input", "shape": list(case.shape), "sha256": digest.hex()},
        "weightsSha256": weights,
    }
    record |= recorded(exact, case.long)
    if "logits" in exact.whole:
        record["top5"] = top5(exact.output)
    record["fp32"] = float32_errors(single, exact)
    return record | ({"tensors": tensors} if case.long else {})


def recorded(answers, long):
    """Stages, and outputs: whole in long records and where they are few, else as stages are."""
    samples = LONG if long else SHORT
    few = {name for name, value in answers.whole.items() if long or value.numel() <= LONG}
    sampled = answers.stages | {name: value for name, value in answers.whole.items() if name not in few}
    stages = {name: statistics(value, samples) for name, value in sampled.items()}
    outputs = {name: whole(value) for name, value in answers.whole.items() if name in few}
    return ({"activations": stages} if stages else {}) | outputs


def top5(logits):
    """The five largest logits of each image, and how clear the first is."""
    values, indices = torch.topk(logits, 5)
    return {"indices": indices.tolist(), "marginTop1Top2": (values[:, 0] - values[:, 1]).tolist()}


def float32_errors(single, exact):
    stages = {name: value for name, value in exact.stages.items() if name != "cam"}
    errors = {name: single_off(single.stages[name], value) for name, value in stages.items()}
    errors |= {name: single_off(single.whole[name], value) for name, value in exact.whole.items()}
    if "logits" in errors:
        errors["logits"]["argmaxEqual"] = torch.equal(single.output.argmax(1), exact.output.argmax(1))
    maps = {"cam": single_off(single.stages["cam"], exact.stages["cam"])} if "cam" in exact.stages else {}
    return errors | maps
