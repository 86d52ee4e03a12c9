"""The folder of goldens: which files a model has, and the indices."""

import json

from catalogue import NETS
from text import in_lines


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def update_structure_index(folder, entries):
    """Puts models' lines into structure/index.json, in the order of the catalogue."""
    path = folder / "structure" / "index.json"
    known = json.loads(path.read_text("utf-8"))["models"] if path.exists() else []
    lines = {line["id"]: line for line in [*known, *entries]}
    models = [lines[net.id] for net in NETS if net.id in lines]
    write(path, in_lines({"format": "resnet-goldens/1", "kind": "structure-index", "models": models}))


def update_infer_index(folder):
    """Lists the recorded cases."""
    ids = sorted(path.stem for path in (folder / "infer").glob("*.json") if path.stem != "index")
    write(folder / "infer" / "index.json", json.dumps({"cases": ids}, indent=2) + "\n")
