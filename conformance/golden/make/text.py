"""JSON in the lines of the recorded files: a key a line, and an entry a line where a list or table is long."""

import json

LONG = ("activations", "fp32", "tensors", "stateDict", "layers", "grads", "steps", "rows", "cases", "models")


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def in_lines(record, inline=()):
    """A record's text. Every number parses back to the same float64."""
    entries = [f"{compact(key)}:{lines_of(key, value, inline)}" for key, value in record.items()]
    return "{" + ",\n".join(entries) + "}\n"


def lines_of(key, value, inline):
    if key not in LONG or key in inline or not isinstance(value, (dict, list)):
        return compact(value)
    if isinstance(value, list):
        return "[\n" + ",\n".join(f" {compact(each)}" for each in value) + "\n]"
    return "{\n" + ",\n".join(f" {compact(name)}:{compact(each)}" for name, each in value.items()) + "\n}"
