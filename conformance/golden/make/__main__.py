"""Records PyTorch's answers. README.md beside this folder says what they are.

python conformance/golden/make resnet50 keras_resnet50   these models, into conformance/golden
python conformance/golden/make --all --out FOLDER  everything, into another folder
python conformance/golden/make --compare FOLDER    how far conformance/golden is from that folder
"""

import argparse
import difflib
import sys
import time
from pathlib import Path

import torch

import catalogue
from catalogue import NETS
from compare import compare_folders
from folder import update_infer_index, update_structure_index, write
from hash_check import hash_check
from infer import case_id, inference
from ops import ops
from structure import index_entry, structure
from text import in_lines
from train import RUNS, training

HERE = Path(__file__).resolve().parent
KINDS = ("structure", "infer", "train", "ops", "hash")


def main():
    options = parsed()
    torch.set_num_threads(1)  # sums in one order, whatever the machine
    if options.list:
        return print("\n".join(net.id for net in NETS))
    if options.check_keras:
        from check_keras import check_keras

        return check_keras()
    if options.check_modules:
        from check_modules import check_modules

        return check_modules(options.models)
    if options.compare:
        return compare_folders(options.out, options.compare)
    record(options)


def parsed():
    parser = argparse.ArgumentParser(prog="make", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="a model's name, or its golden's id")
    parser.add_argument("--all", action="store_true", help="every model, single operators and training steps too")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind alone; may be repeated")
    parser.add_argument("--out", type=Path, default=HERE.parent, help="the folder to write to (conformance/golden)")
    parser.add_argument("--list", action="store_true", help="print the ids of all models")
    parser.add_argument("--compare", type=Path, metavar="FOLDER", help="say how far the files of two folders differ")
    parser.add_argument("--check-keras", action="store_true", help="compare nets/keras_applications.py with Keras")
    parser.add_argument("--check-modules", action="store_true", help="run what `residual export --to net.py` writes")
    options = parser.parse_args()
    unknown = [name for name in options.models if catalogue.find(name) is None]
    if unknown:
        parser.error(f"unknown model {unknown[0]!r}{suggestion(unknown[0])}; --list prints the ids of all models")
    checks = options.compare or options.check_keras or options.check_modules
    if not (options.models or options.all or options.list or checks):
        parser.error("no model given; name one, or say --all")
    return options


def suggestion(name):
    near = difflib.get_close_matches(name, [*catalogue.BY_ID, *catalogue.RENAMED], 3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def record(options):
    nets = NETS if options.all else [catalogue.find(name) for name in options.models]
    kinds = options.only or (KINDS if options.all else ("structure", "infer"))
    files = [each for kind in kinds for each in plan(kind, nets, options)]
    for number, (path, make) in enumerate(files, 1):
        start = time.monotonic()
        make(options.out / path)
        print(f"[{number}/{len(files)}] {path}  {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    if "infer" in kinds:
        update_infer_index(options.out)


def plan(kind, nets, options):
    """The files of a kind, each with the function that writes it."""
    if kind == "structure":
        return [(f"structure/{net.id}.json", lambda path, net=net: write_structure(path, net)) for net in nets]
    if kind == "infer":
        cases = [(net, case) for net in nets for case in net.cases]
        return [
            (f"infer/{case_id(*each)}.json", lambda path, each=each: write(path, in_lines(inference(*each))))
            for each in cases
        ]
    if kind == "train":
        runs = [run for run in RUNS if run.net in {net.id for net in nets}]
        return [
            (f"train/{run.id}.json", lambda path, run=run: write(path, in_lines(training(run), inline=("fp32",))))
            for run in runs
        ]
    if kind == "ops":
        return [("ops/index.json", ops)]
    return [("hash_check.json", lambda path: write(path, in_lines(hash_check())))]


def write_structure(path, net):
    record = structure(net)
    write(path, in_lines(record))
    update_structure_index(path.parent.parent, [index_entry(record)])


main()
