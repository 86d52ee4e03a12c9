"""PyTorch's side of training-step.ts: the same step of CIFAR's ResNet-20 in eager mode.

torch==2.15.0. Reads a line for each step from stdin, "nchw" or "channels_last", and answers a line of JSON: seconds of
wall time and of CPU time, and the loss. The line "memory nchw" makes two steps in a process without other models, and
answers the bytes that they add to the process at their peak.
"""

import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

BATCH, SIZE, THREADS = map(int, sys.argv[1:4])
FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


class Block(nn.Module):
    def __init__(self, before: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.added = stride, (width - before) // 2

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.added:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.added, self.added))
        return F.relu(x + y)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        plan = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
        self.blocks = nn.Sequential(*(Block(*row) for row in plan))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def step_of(name: str):
    torch.manual_seed(0)
    net = ResNet20().to(memory_format=FORMATS[name])
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    image = torch.randn(BATCH, 3, SIZE, SIZE).to(memory_format=FORMATS[name])
    labels = torch.arange(BATCH) % 10

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(image), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


torch.set_num_threads(THREADS)
print(json.dumps({"version": torch.__version__}), flush=True)
steps = {}
for line in sys.stdin:
    words = line.split()
    if words[0] == "memory":
        before = peak()
        step = step_of(words[1])
        step()
        step()
        print(json.dumps({"bytes": peak() - before}), flush=True)
        continue
    step = steps.setdefault(words[0], None) or step_of(words[0])
    steps[words[0]] = step
    wall, cpu = time.perf_counter(), time.process_time()
    loss = step()
    times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**times, "loss": loss}), flush=True)
