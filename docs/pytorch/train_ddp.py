"""Trains net.py and its weights further, on several GPUs or processes.

    torchrun --nproc-per-node 2 train_ddp.py photos/ --epochs 5 --out run.pth

photos/ has a folder of pictures for each class. net.py and net.safetensors lie beside this
file: residual export MODEL --weights W --to net.py. The result goes back by
residual convert run.pth best.safetensors. --resume run.pth goes on where a run stopped, or
with the weights and the optimizer of a checkpoint that Residual wrote.
"""

import argparse
import json
import math
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from net import WEIGHTS, Net, read
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler
from torchvision import transforms
from torchvision.datasets import ImageFolder


def parsed():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "photos", help="a folder with a folder of pictures for each class"
    )
    parser.add_argument("--out", default="run.pth")
    parser.add_argument("--resume", help="a checkpoint of this script, or of Residual")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument(
        "--batch", type=int, default=32, help="pictures for each process"
    )
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--workers", type=int, default=2, help="for each process")
    return parser.parse_args()


def started(resume):
    """The weights beside net.py and what their file says of them, or a checkpoint."""
    if resume:
        return torch.load(resume, map_location="cpu", weights_only=True)
    tensors, metadata = read(WEIGHTS)
    facts = {"arch": metadata["model"]} if "model" in metadata else {}
    if "preprocessing" in metadata:
        facts["preprocessing"] = json.loads(metadata["preprocessing"])
    return {"model": tensors, **facts}


def pictures(folder, preprocessing):
    """Pictures as the network takes them, in random crops and flips."""
    channels = [2, 1, 0] if preprocessing.get("channels") == "bgr" else [0, 1, 2]
    steps = [
        transforms.RandomResizedCrop(preprocessing["crop"], (0.35, 1)),
        transforms.RandomHorizontalFlip(),
        transforms.PILToTensor(),
        lambda pixels: pixels / preprocessing["scale"],
        transforms.Normalize(preprocessing["mean"], preprocessing["std"]),
        lambda x: x[channels],
    ]
    return ImageFolder(folder, transforms.Compose(steps))


def optimizer_of(net, state, lr):
    """The checkpoint's optimizer with its groups; else SGD, by which norms do not decay."""
    named = dict(net.named_parameters())
    if state is None:
        vectors = [name for name in named if named[name].ndim == 1]
        matrices = [name for name in named if named[name].ndim > 1]
        names, kind = [matrices, vectors], torch.optim.SGD
    else:
        names = [group["param_names"] for group in state["param_groups"]]
        is_sgd = "nesterov" in state["param_groups"][0]
        kind = torch.optim.SGD if is_sgd else torch.optim.AdamW
    groups = [{"params": [(name, named[name]) for name in group]} for group in names]
    optimizer = kind(groups, lr)
    if state is not None:
        optimizer.load_state_dict(state)
        return optimizer
    for group, decay in zip(optimizer.param_groups, (5e-4, 0)):
        group.update(momentum=0.9, nesterov=True, weight_decay=decay)
    return optimizer


def main():
    options = parsed()
    is_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if is_gpu else "gloo")
    rank, local = dist.get_rank(), int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", local) if is_gpu else torch.device("cpu")

    checkpoint = started(options.resume)
    data = pictures(options.photos, checkpoint["preprocessing"])
    net = Net(classes=len(data.classes))
    weights, own = checkpoint["model"], net.state_dict()
    if weights["fc.weight"].shape != own["fc.weight"].shape:
        weights |= {
            name: own[name] for name in ("fc.weight", "fc.bias")
        }  # a new last layer
        checkpoint.pop("optimizer", None)
    net.load_state_dict(weights)
    net.to(device)
    if is_gpu:
        net = torch.nn.SyncBatchNorm.convert_sync_batchnorm(
            net
        )  # norms see the whole batch
    optimizer = optimizer_of(net, checkpoint.get("optimizer"), options.lr)
    ddp = DistributedDataParallel(net, [local] if is_gpu else None)

    sampler = DistributedSampler(data)
    loader = DataLoader(
        data,
        options.batch,
        sampler=sampler,
        num_workers=options.workers,
        drop_last=True,
    )
    steps = checkpoint.get("step", 0)
    for epoch in range(checkpoint.get("epoch", 0), options.epochs):
        sampler.set_epoch(epoch)
        for group in optimizer.param_groups:
            group["lr"] = (
                options.lr * (1 + math.cos(math.pi * epoch / options.epochs)) / 2
            )
        total = torch.zeros((), device=device)
        for images, labels in loader:
            loss = F.cross_entropy(ddp(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            steps += 1
        dist.all_reduce(total)
        if rank == 0:
            mean = total.item() / max(1, len(loader)) / dist.get_world_size()
            print(f"epoch {epoch + 1} of {options.epochs}: loss {mean:.4f}", flush=True)
            state = {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
            counts = {"epoch": epoch + 1, "step": steps, "classes": data.classes}
            torch.save({**checkpoint, **state, **counts}, f"{options.out}.part")
            os.replace(f"{options.out}.part", options.out)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
