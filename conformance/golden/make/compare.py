"""How far two recordings of the same answers are apart."""

import json
import math
import sys

from safetensors.numpy import load_file

UNIT = 2.0**-53
"""Float64's unit roundoff."""


def compare_folders(folder, other):
    """Prints a line for each file of `other`, and exits with 1 where an answer differs by more than a rounding."""
    files = sorted(path.relative_to(other) for path in other.rglob("*") if path.suffix in (".json", ".safetensors"))
    verdicts = [(name, compare(folder / name, other / name)) for name in files]
    for name, verdict in verdicts:
        print(f"{name}: {verdict}")
    equal = sum(verdict == "equal" for _, verdict in verdicts)
    print(f"{equal} of {len(files)} files equal byte for byte")
    sys.exit(any(verdict.startswith("differ") for _, verdict in verdicts))


def compare(path, other):
    if not path.exists():
        return "differs: only in one folder"
    if path.read_bytes() == other.read_bytes():
        return "equal"
    if path.suffix == ".safetensors":
        return compare_tensors(load_file(path), load_file(other))
    found = Difference()
    walk(json.loads(path.read_text("utf-8")), json.loads(other.read_text("utf-8")), "", found)
    return found.verdict()


def compare_tensors(a, b):
    found = Difference()
    if a.keys() != b.keys():
        return "differs: other tensors"
    for name in a:
        if a[name].shape != b[name].shape or a[name].dtype != b[name].dtype:
            return f"differs: {name} has another shape or dtype"
        found.numbers(name, a[name].ravel().tolist(), b[name].ravel().tolist())
    return found.verdict()


class Difference:
    """The largest difference of answers, in roundings of a tensor's largest value, and ratios of float32's errors."""

    def __init__(self):
        self.roundings, self.at, self.deviation, self.ratios, self.other = 0, "", 0, [1.0], []

    def numbers(self, where, a, b):
        worst = roundings_between(a, b)
        if worst > self.roundings:
            self.roundings, self.at = worst, where

    def verdict(self):
        if self.other:
            return f"differs: {', '.join(self.other[:3])}"
        answers = f"answers within {self.roundings:.0f} roundings ({self.at})" if self.roundings else "answers equal"
        if self.roundings > MOST:
            answers = f"differs: {answers}"
        answers += f", standard deviations within {self.deviation:.0f}" if self.deviation else ""
        spread = (
            f", float32's error {min(self.ratios):.2g} to {max(self.ratios):.2g} times" if len(self.ratios) > 1 else ""
        )
        return answers + spread


def roundings_between(a, b):
    scale = max(map(abs, a), default=0) or 1
    return max((abs(x - y) / scale / UNIT for x, y in zip(a, b)), default=0)


MOST = 1e3
"""Roundings, 1e-13 of a tensor's largest value: sums in another order stay below it, and no other network does."""


def walk(a, b, where, found):
    """Compares two JSON values. What describes a case has to be the same; numbers may differ by rounding."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        if "samples" in a:
            return statistics(a, b, where, found)
        for key in a:
            walk_entry(key, a[key], b[key], f"{where}/{key}", found)
    elif is_numbers(a) and is_numbers(b) and len(a) == len(b):
        found.numbers(where, a, b)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            walk(x, y, f"{where}/{i}", found)
    elif isinstance(a, float) and isinstance(b, float):
        found.numbers(where, [a], [b])
    elif a != b:
        found.other.append(where)


def walk_entry(key, a, b, where, found):
    if key == "fp32":
        return errors(a, b, found)
    if key == "kinkMargin":  # in units of float32's error
        return found.ratios.append(a / b)
    if key == "marginTop1Top2":  # a difference of logits, which are compared
        return
    walk(a, b, where, found)


def statistics(a, b, where, found):
    """Of one tensor: relative to its largest sample or extreme."""
    names = ("mean", "min", "max") if "mean" in a else ("l2", "sum")
    if "std" in a:
        found.deviation = max(found.deviation, roundings_between([a["std"]], [b["std"]]))
    found.numbers(where, [*a["samples"], *(a[key] for key in names)], [*b["samples"], *(b[key] for key in names)])
    if a.get("shape") != b.get("shape"):
        found.other.append(f"{where}/shape")


def errors(a, b, found):
    """Float32's errors are of one size and not equal: the ratio of what the suite's tolerance comes from is told."""
    for stage in a.keys() & b.keys():
        if isinstance(a[stage], dict) and "relToMax" in a[stage] and b[stage]["relToMax"] > 0:
            found.ratios.append(a[stage]["relToMax"] / b[stage]["relToMax"])


def is_numbers(value):
    return (
        isinstance(value, list)
        and value
        and all(type(each) in (int, float) for each in value)
        and any(isinstance(each, float) and math.isfinite(each) for each in value)
    )
