import * as bulk from "@residual/bulk";
import * as conformance from "@residual/conformance";
import * as conformanceNode from "@residual/conformance/node";
import * as core from "@residual/core";
import * as files from "@residual/kit/files";
import * as gpu from "@residual/kit/gpu";
import * as onnx from "@residual/onnx";
import * as openInference from "@residual/open-inference";
import * as openInferenceGrpc from "@residual/open-inference/grpc";
import * as openInferenceHttp from "@residual/open-inference/http";
import * as pipeline from "@residual/pipeline";
import * as search from "@residual/search";
import * as server from "@residual/server";
import * as shards from "@residual/shards";
import * as tfjs from "@residual/tfjs";
import * as tfjsNode from "@residual/tfjs/node";
import * as training from "@residual/training";
import * as vision from "@residual/vision";
import * as imagenetLabels from "@residual/vision/imagenet-labels";
import * as wasm from "@residual/wasm";
import * as webgpu from "@residual/webgpu";
import * as softwareGpu from "@residual/webgpu-software";
import * as weights from "@residual/weights";
import * as residual from "residual";

export const entries = [
  bulk,
  conformance,
  conformanceNode,
  core,
  files,
  gpu,
  imagenetLabels,
  onnx,
  openInference,
  openInferenceGrpc,
  openInferenceHttp,
  pipeline,
  residual,
  search,
  server,
  shards,
  softwareGpu,
  tfjs,
  tfjsNode,
  training,
  vision,
  wasm,
  webgpu,
  weights,
];

export async function classify(picture: Uint8Array): Promise<string | undefined> {
  await using classifier = await residual.load();
  const [best] = await classifier.classify(picture);
  return best?.label;
}
