"""What is recorded of a tensor, and how far float32 is off."""


def sample_indices(elements, count):
    """Flat indices spread over a tensor: a large prime's multiples, modulo its size."""
    return [(k * 1000003) % elements for k in range(min(count, elements))]


def samples_of(tensor, count):
    flat = tensor.detach().flatten()
    return [flat[index].item() for index in sample_indices(flat.numel(), count)]


def statistics(tensor, count):
    """Shape, mean, deviation (over n), extremes, and `count` samples of a float64 tensor."""
    flat = tensor.detach().flatten()
    mean = flat.mean()
    return {
        "shape": list(tensor.shape),
        "mean": mean.item(),
        "std": (flat - mean).square().mean().sqrt().item(),  # more exact than torch.std, and the same on all threads
        "min": flat.min().item(),
        "max": flat.max().item(),
        "samples": samples_of(tensor, count),
    }


def whole(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def summed(tensor):
    """What is recorded of a gradient or parameter."""
    flat = tensor.detach().flatten()
    return {"l2": flat.norm().item(), "sum": flat.sum().item(), "samples": samples_of(tensor, 8)}


def single_off(single, exact):
    """How far a float32 answer is from the float64 one."""
    d, largest = (single.double() - exact).abs(), exact.abs().max()
    large = exact.abs() > largest / 1000
    return {
        "maxAbs": d.max().item(),
        "relToMax": (d.max() / largest).item(),
        "maxRel": (d / exact.abs())[large].max().item(),
        "rmsRel": (d.norm() / exact.norm()).item(),
    }
