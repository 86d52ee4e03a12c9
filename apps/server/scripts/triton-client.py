"""Talks to a running server with Triton's own Python client, over HTTP and gRPC: docs/serving.md has the last result.

  pip install "tritonclient[http,grpc]==2.73.0"
  residual serve --model-control & python triton-client.py
"""

import sys

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

MODEL = "cifar_resnet20"


def check(name, holds):
    print(f"{'ok' if holds else 'FAILED'}  {name}")
    if not holds:
        sys.exit(1)


def infer(module, client, image, outputs, **binary):
    given = module.InferInput("image", image.shape, "FP32")
    given.set_data_from_numpy(image, **binary)
    return client.infer(MODEL, [given], outputs=outputs, request_id="42")


def metadata_of(answer, field):
    return answer[field] if isinstance(answer, dict) else getattr(answer, field)


def class_of(text):
    """The index of `value:index:label`, which is a text in JSON and bytes otherwise."""
    return int((text if isinstance(text, str) else text.decode()).split(":")[1])


def fails(call):
    try:
        call()
        return False
    except InferenceServerException:
        return True


def conversation(name, module, client, forms):
    """`forms` are the arguments of tensors in JSON and in binary; gRPC has one form."""
    image = np.random.default_rng(7).standard_normal((3, 3, 32, 32), dtype=np.float32)
    is_live = client.is_server_live() and client.is_server_ready()
    check(f"{name}: live and ready", is_live and client.is_model_ready(MODEL))
    check(f"{name}: server metadata", "classification" in metadata_of(client.get_server_metadata(), "extensions"))
    tensor = metadata_of(client.get_model_metadata(MODEL), "inputs")[0]
    check(f"{name}: model metadata", list(map(int, metadata_of(tensor, "shape"))) == [-1, 3, 32, 32])
    found = []
    for label, given, wanted in forms:
        outputs = [module.InferRequestedOutput("logits", **wanted), module.InferRequestedOutput("embedding", **wanted)]
        answer = infer(module, client, image, outputs, **given)
        logits, embedding = answer.as_numpy("logits"), answer.as_numpy("embedding")
        check(f"{name}: infer, {label}", logits.shape == (3, 10) and embedding.shape == (3, 64))
        outputs = [module.InferRequestedOutput("logits", class_count=2, **wanted)]
        classes = infer(module, client, image, outputs, **given).as_numpy("logits")
        best = [class_of(row[0]) for row in classes]
        check(f"{name}: classification, {label}", classes.shape == (3, 2) and best == logits.argmax(1).tolist())
        found.append(logits)
    check(f"{name}: all forms give the same logits", all(np.array_equal(found[0], each) for each in found))
    wrong = np.zeros((1, 3, 31, 32), dtype=np.float32)
    check(f"{name}: a wrong shape is an error", fails(lambda: infer(module, client, wrong, None)))
    client.unload_model(MODEL)
    check(f"{name}: unloaded", not client.is_model_ready(MODEL))
    client.load_model(MODEL)
    check(f"{name}: loaded again", client.is_model_ready(MODEL))
    index = client.get_model_repository_index()
    state = index[0]["state"] if isinstance(index, list) else index.models[0].state
    check(f"{name}: repository index", state == "READY")
    return found[0]


over_http = conversation("HTTP", triton_http, triton_http.InferenceServerClient("127.0.0.1:8000"), [
    ("JSON", {"binary_data": False}, {"binary_data": False}),
    ("binary", {"binary_data": True}, {"binary_data": True}),
])
over_grpc = conversation("gRPC", triton_grpc, triton_grpc.InferenceServerClient("127.0.0.1:8001"), [("raw", {}, {})])
check("HTTP and gRPC give the same logits", np.array_equal(over_http, over_grpc))
