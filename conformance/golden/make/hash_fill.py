"""Weights and inputs without downloads: numbers from a hash of a name, as README.md describes it."""

import hashlib
import math
import re

import numpy as np

SALT = "v1"
CHUNK = 1 << 22


def fnv1a32(text):
    """The 32-bit FNV-1a hash of a text's UTF-8 bytes."""
    hash = 0x811C9DC5
    for byte in text.encode():
        hash = ((hash ^ byte) * 0x01000193) & 0xFFFFFFFF
    return hash


def seed_of(name):
    return fnv1a32(f"{SALT}/{name}")


def hash_u32(seed, index):
    """The numbers of a seed's sequence at these indices (uint32): murmur3's finalizer, modulo 2^32."""
    h = index * np.uint32(0x9E3779B9) + np.uint32(seed)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def unit(h):
    """A hash as a number in [0, 1), exact in float64."""
    return (h >> np.uint32(8)) * 2.0**-24


def fill(name, shape, lo, hi):
    """A float32 array of pseudo-random numbers in [lo, hi), worked out in float64 and rounded once."""
    seed, count = seed_of(name), math.prod(shape)
    values = np.empty(count, np.float32)
    for start in range(0, count, CHUNK):
        index = np.arange(start, min(start + CHUNK, count), dtype=np.uint32)
        values[start : start + len(index)] = lo + (hi - lo) * unit(hash_u32(seed, index))
    return values.reshape(shape)


RANGES = {
    "conv_b": (-0.1, 0.1),
    "bn_gamma": (0.8, 1.2),
    "bn_gamma_last": (0.05, 0.25),
    "bn_beta": (-0.1, 0.1),
    "bn_mean": (-0.2, 0.8),
    "bn_var": (0.5, 1.5),
    "fc_b": (-0.1, 0.1),
}


def range_of(role, shape):
    """Lowest and highest value of a role. Those of weights depend on the number of inputs."""
    if role not in ("conv_w", "fc_w"):
        return RANGES[role]
    bound = math.sqrt((6 if role == "conv_w" else 3) / math.prod(shape[1:]))
    return -bound, bound


def fill_role(name, shape, role):
    return fill(name, shape, *range_of(role, shape))


def is_last_norm(name, names):
    """Whether a weight is <block>.bnK.weight with K >= 2 and no <block>.bn(K+1) beside it."""
    found = re.fullmatch(r"(.+)\.bn(\d+)\.weight", name)
    if not found or int(found[2]) < 2:
        return False
    return f"{found[1]}.bn{int(found[2]) + 1}.weight" not in names


def image(shape, name="input"):
    """An input [N, C, H, W]: a fill over [-1, 1) and an offset over [-2, 2) for each image and channel."""
    values = fill(name, shape, -1, 1).astype(np.float64)
    offsets = fill(f"{name}.offset", shape[:2], -2, 2)
    return (values + offsets[:, :, None, None]).astype(np.float32)


def labels(count, classes, name="labels"):
    h = hash_u32(seed_of(name), np.arange(count, dtype=np.uint32))
    return [int(u * classes) for u in unit(h)]


class Digest:
    """SHA-256 of the bytes of float32 arrays, one after the other, little-endian."""

    def __init__(self):
        self.hash = hashlib.sha256()

    def add(self, values):
        self.hash.update(np.ascontiguousarray(values, "<f4").data)

    def hex(self):
        return self.hash.hexdigest()
