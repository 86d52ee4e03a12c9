"""Models of timm."""

import timm

from .net import SMALL, Case, Net, stages_of

STAGES = stages_of(4, stem="maxpool", pool="global_pool")
PLAIN_SIDES = {"test_resnet": 160, "resnet26t": 256, "resnet101d": 256, "resnet152d": 256, "seresnet152d": 256}


def named(name, cases=(SMALL,), long=False):
    side = PLAIN_SIDES.get(name, 224)
    return Net(
        id=f"timm_{name}",
        family="timm",
        says=f"timm.create_model('{name}')",
        build=lambda: timm.create_model(name),
        input=(1, 3, side, side),
        stages=STAGES,
        cases=cases,
        long=long,
    )


LARGE = Case((2, 3, 160, 160), long=True)
PLAIN = [
    named("resnet10t", long=True),
    named("resnet14t", long=True),
    named("resnet18", (), long=True),
    named("resnet26", long=True),
    named("resnet50", (), long=True),
    named("resnet50d", (LARGE,), long=True),
    named("resnext50_32x4d", (), long=True),
    named("seresnet50", long=True),
    named("seresnext50_32x4d", (LARGE,), long=True),
    named("resnet200d", long=True),
]
MORE = [
    named(name)
    for name in """
    test_resnet resnet18d resnet26d resnet26t resnet34d resnet50c resnet50s resnet101c resnet101d resnet101s resnet152c
    resnet152d resnet152s resnext50d_32x4d resnext101_32x4d seresnet152d seresnext26d_32x4d seresnext26t_32x4d
    seresnext101_32x4d seresnext101_32x8d seresnext101d_32x8d seresnext101_64x4d senet154
    """.split()
]
