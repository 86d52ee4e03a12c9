import type { Preprocessing } from "@residual/core";

/** What the text around the classes says and does. */
export interface ProgramFacts {
  /** The model's name. */
  readonly name: string;
  /** The file of weights beside the module's file. */
  readonly weights: string;
  readonly parameters: number;
  /** Undefined for a network that gives features. */
  readonly classes: number | undefined;
  /** Whether the model ends in a softmax, which the module leaves out. */
  readonly isSoftmax: boolean;
  /** How a picture becomes the input. Undefined: the module does not classify pictures. */
  readonly preprocessing: Preprocessing | undefined;
  /** Names that the classes use. */
  readonly uses: { readonly F: boolean; readonly same: boolean };
}

const counted = (count: number) => count.toLocaleString("en");

/** The start of the file: what it is, imports, helpers. */
export function headOf({ name, weights, parameters, classes, isSoftmax, preprocessing, uses }: ProgramFacts): string {
  const stem = weights.replace(/\.safetensors$/, "");
  const isShown = /^[\w.-]{1,60}$/.test(weights); // other names could end the docstring
  const [title, file] = [/^[\w.+-]{1,60}$/.test(name) ? name : "A residual network", isShown ? stem : "FILE"];
  const size = `${counted(parameters)} parameters${classes === undefined ? "" : `, ${counted(classes)} classes`}`;
  const usage: [string, string][] = [
    [`python ${file}.py`, "compares its answers with recorded ones"],
    ...(preprocessing
      ? [[`python ${file}.py cat.png`, "also classifies a picture; needs Pillow"] as [string, string]]
      : []),
  ];
  const inCode: [string, string][] = [
    ["net = load()", "# with the weights, to predict"],
    ["net = Net()", "# with random weights, to train"],
    ...(classes === undefined ? [] : [["net = Net(classes=5)", "# for another number of classes"] as [string, string]]),
  ];
  const width = Math.max(...[...usage, ...inCode].map(([left]) => left.length)) + 2;
  const table = (rows: readonly [string, string][]) => rows.map(([left, right]) => `    ${left.padEnd(width)}${right}`);
  const lines = [
    `"""${title} as a PyTorch module: ${size}.`,
    "",
    `The weights are in ${isShown ? weights : "the .safetensors file"} beside it. Both were written by Residual.`,
    ...(isSoftmax ? ["The module gives logits; net(x).softmax(1) are the model's probabilities."] : []),
    "",
    ...table(usage),
    "",
    `    from ${/^[A-Za-z_]\w*$/.test(file) ? file : "net"} import Net, load`,
    "",
    ...table(inCode),
    '"""',
    "",
    "import json",
    "import sys",
    "from pathlib import Path",
    "",
    "import torch",
    ...(uses.F || uses.same ? ["import torch.nn.functional as F"] : []),
    "from torch import nn",
    "",
    `WEIGHTS = Path(__file__).with_name(${JSON.stringify(weights)})`,
  ];
  return `${lines.join("\n")}\n${uses.same ? `\n\n${SAME}` : ""}`;
}

/** TensorFlow's padding. Source: tensorflow/core/framework/kernel_shape_util.cc, `GetWindowedOutputSizeVerbose`. */
const SAME = `def pad_same(x, kernel, stride, value=0.0):
    """TensorFlow's 'same': ceil(size / stride) windows; an odd pixel goes behind."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


class Conv2dSame(nn.Conv2d):
    def forward(self, x):
        return super().forward(pad_same(x, self.kernel_size[0], self.stride[0]))


class MaxPool2dSame(nn.MaxPool2d):
    def forward(self, x):
        return super().forward(pad_same(x, self.kernel_size, self.stride, -torch.inf))
`;

/** The end of the file: weights, the comparison, pictures, the command line. */
export function tailOf({ classes, preprocessing }: ProgramFacts): string {
  const parts = [LOAD, READ, CHECK, FIXTURE];
  const isClassifier = preprocessing !== undefined && classes !== undefined;
  if (isClassifier) parts.push(preprocessText(preprocessing), CLASSIFY);
  return [...parts, isClassifier ? MAIN_WITH_PICTURES : MAIN].join("\n\n");
}

const LOAD = `def load(path=WEIGHTS):
    """The network with the weights of a .safetensors file, ready to predict."""
    tensors, _ = read(path)
    net = Net()
    net.load_state_dict(tensors)
    return net.eval()
`;

const READ = `def read(path):
    """The tensors of a .safetensors file by name, and its metadata."""
    try:
        from safetensors import safe_open
    except ImportError:
        return read_without_package(path)
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        return tensors, file.metadata() or {}


def read_without_package(path):
    """The same by hand: 8 bytes of length, that much JSON, then the numbers."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        numbers = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    dtypes = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = torch.frombuffer(numbers[begin:end], dtype=dtypes[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors, metadata
`;

const CHECK = `def check(path=WEIGHTS):
    """Whether the network's answers are those that Residual recorded with the weights.

    PyTorch adds up in another order, so in float64 both differ by some roundings of
    2 ** -53. What roundings do to this network is measured in float32, where they are
    2 ** -24, on four images: few answers may be exact by chance. Ten times as much is
    allowed.
    """
    tensors, metadata = read(path)
    recorded = json.loads(metadata.get("recorded", "null"))
    if recorded is None:
        print(f"{path.name} holds no recorded answers to compare with")
        return True
    x = fixture(recorded["shape"])
    images = torch.cat([x, -x, x.flip(2), x.flip(3)])
    answers = {}
    for dtype in (torch.float32, torch.float64):
        net = Net().to(dtype).eval()
        net.load_state_dict(tensors)
        with torch.no_grad():
            answers[dtype] = net(images.to(dtype)).double()
    expected = torch.tensor(recorded["values"], dtype=torch.float64)
    largest = expected.abs().max().item()
    difference = (answers[torch.float64][0].flatten() - expected).abs().max().item()
    error = (answers[torch.float32] - answers[torch.float64]).abs().max().item()
    allowed = 10 * max(error, largest * 2**-24) * 2**-29
    is_right = difference <= allowed
    print(f"{recorded['output']}: {len(expected)} numbers up to {largest:.3g}")
    print(f"largest difference from the recorded ones, in float64: {difference:.3g}")
    print(f"allowed: {allowed:.3g} (float32's error is {error:.3g})")
    print("the same" if is_right else "NOT THE SAME: module or weights were changed")
    return is_right
`;

const FIXTURE = `def fixture(shape):
    """Residual's input \`fixture:v1\`: numbers from a hash, the same on every machine."""

    def fill(name, count, low, high):
        seed = 0x811C9DC5
        for byte in f"v1/{name}".encode():
            seed = (seed ^ byte) * 0x01000193 & 0xFFFFFFFF
        bits = (torch.arange(count) * 0x9E3779B9 + seed) & 0xFFFFFFFF
        bits = ((bits ^ (bits >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
        bits = ((bits ^ (bits >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
        bits = bits ^ (bits >> 16)
        return (low + (high - low) * (bits >> 8).double() * 2**-24).float()

    n, c, h, w = shape
    offsets = fill("input.offset", n * c, -2, 2).reshape(n, c, 1, 1)
    return fill("input", n * c * h * w, -1, 1).reshape(shape) + offsets
`;

function preprocessText({ resize, crop, interpolation, scale, mean, std, channels, upright }: Preprocessing): string {
  const offset = (size: string) =>
    resize >= crop
      ? `round((${size} - ${crop}) / 2)`
      : `round((${size} - ${crop}) / 2) if ${size} >= ${crop} else -((${crop} - ${size}) // 2)`;
  const numbers = (values: readonly number[]) => `torch.tensor([${values.join(", ")}]).reshape(3, 1, 1)`;
  const lines = [
    "def preprocess(path):",
    '    """A picture as the network\'s input: resized, cut from the middle, scaled."""',
    `    from PIL import Image${upright ? ", ImageOps" : ""}`,
    "",
    `    picture = ${upright ? "ImageOps.exif_transpose(Image.open(path))" : "Image.open(path)"}.convert("RGB")`,
    "    short = min(picture.size)",
    `    width, height = (${resize} * side // short for side in picture.size)`,
    `    picture = picture.resize((width, height), Image.Resampling.${interpolation.toUpperCase()})`,
    `    left = ${offset("width")}`,
    `    top = ${offset("height")}`,
    `    picture = picture.crop((left, top, left + ${crop}, top + ${crop}))`,
    "    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)",
    `    pixels = pixels.reshape(${crop}, ${crop}, 3).permute(2, 0, 1)`,
    `    mean = ${numbers(mean)}`,
    `    std = ${numbers(std)}`,
    `    x = (pixels / ${scale} - mean) / std`,
    `    return x${channels === "bgr" ? ".flip(0)" : ""}.unsqueeze(0)`,
  ];
  return `${lines.join("\n")}\n`;
}

const CLASSIFY = `def classify(net, path, labels):
    with torch.no_grad():
        probabilities = net(preprocess(path)).softmax(1)[0]
    best = probabilities.topk(min(5, len(probabilities)))
    for probability, index in zip(best.values.tolist(), best.indices.tolist()):
        print(f"{probability:8.1%}  {labels[index] if labels else index}")
`;

const MAIN_WITH_PICTURES = `def main(pictures):
    is_right = check()
    net, labels = load(), json.loads(read(WEIGHTS)[1].get("classes", "null"))
    for path in pictures:
        print(path)
        classify(net, path, labels)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
`;

const MAIN = `if __name__ == "__main__":
    sys.exit(0 if check() else 1)
`;
