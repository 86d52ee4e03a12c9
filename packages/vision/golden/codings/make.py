"""A JPEG, WebP or PNG for each way to code pixels, with Pillow's own pixels, into pictures.json beside this file.

    apt install libjpeg-turbo-progs=1:2.1.5-2 && pip install pillow==13.0.0 numpy==2.4.6 && python make.py

cjpeg writes the JPEGs, since Pillow writes few samplings, and jpegtran codes those of four components anew. The answer for 16-bit grey is its high byte, where Pillow
clips.
"""
import base64, hashlib, io, json, random, struct, subprocess, zlib
from pathlib import Path

import numpy
import PIL
from PIL import Image

HERE = Path(__file__).parent
W, H = 35, 27  # not a multiple of a block, odd for every sampling

SAMPLINGS = ["1x1", "2x1", "2x2", "1x2", "4x1", "1x4", "2x2,1x2,1x2", "2x2,2x1,2x1"]
SAMPLINGS += [",".join([all_equal] * 3) for all_equal in ["2x1", "1x2", "3x1", "1x3"]]
RARE = ["4x2", "2x4", "3x1", "2x2,1x1,2x1", "1x1,2x2,2x2", "2x1,1x2,1x2"]


def photo(channels=3):
    """Edges and noise over a slope, which show each step of the IDCT and of upsampling."""
    y, x, c = numpy.mgrid[0:H, 0:W, 0:channels]
    noise = numpy.random.default_rng(7).integers(-25, 25, (H, W, channels))
    return (((x * 5 + y * 3 + c * 70) + noise + 90 * ((x // 6 + y // 5) % 2)).clip(0, 255)).astype(numpy.uint8)


def cjpeg(*words, image=None):
    file = io.BytesIO()
    (image or Image.fromarray(photo())).save(file, "PPM")
    return subprocess.run(["cjpeg", *words], input=file.getvalue(), capture_output=True, check=True).stdout


def cmyk(**options):
    file = io.BytesIO()
    Image.fromarray(photo(4), "CMYK").save(file, "JPEG", **options)
    return file.getvalue()


def adobe(file, transform, keep_jfif=False):
    """The file with Adobe's marker; without JFIF's unless it is kept."""
    jfif = 4 + struct.unpack(">H", file[4:6])[0]
    marker = b"" if transform is None else b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
    return (file[:jfif] if keep_jfif else file[:2]) + marker + file[jfif:]


def named_rgb(file):
    """The file without JFIF's marker, with components named R, G and B, which decoders then take for RGB."""
    file = bytearray(adobe(file, None))
    frame, scan = file.find(b"\xff\xc0"), file.find(b"\xff\xda")
    for i, name in enumerate(b"RGB"):
        file[frame + 10 + 3 * i] = file[scan + 5 + 2 * i] = name
    return bytes(file)


def without_scans(file, kept):
    """A progressive file that ends after so many scans."""
    at = 0
    for _ in range(kept):
        at = file.find(b"\xff\xda", at + 2)
    return file[: min(file.find(mark, at + 2) for mark in [b"\xff\xc4", b"\xff\xda"])] + b"\xff\xd9"


def jpegs():
    grey = Image.fromarray(photo()).convert("L")
    for sampling in SAMPLINGS:
        yield f"jpeg-{sampling}", cjpeg("-quality", "90", "-sample", sampling)
        yield f"jpeg-{sampling}-progressive", cjpeg("-quality", "60", "-progressive", "-sample", sampling)
    for quality in ["1", "25", "100"]:
        yield f"jpeg-quality-{quality}", cjpeg("-quality", quality)
    yield "jpeg-restart", cjpeg("-restart", "1")
    yield "jpeg-optimized", cjpeg("-optimize")
    yield "jpeg-arithmetic", cjpeg("-arithmetic")
    yield "jpeg-arithmetic-progressive", cjpeg("-arithmetic", "-progressive")
    yield "jpeg-rgb", cjpeg("-rgb")
    yield "jpeg-grey", cjpeg(image=grey)
    yield "jpeg-grey-progressive", cjpeg("-progressive", image=grey)
    yield "jpeg-grey-sampled", cjpeg("-sample", "2x2", image=grey)
    yield "jpeg-adobe-rgb", adobe(cjpeg("-sample", "1x1"), 0)
    yield "jpeg-adobe-ycc", adobe(cjpeg(), 1)
    yield "jpeg-adobe-beside-jfif", adobe(cjpeg("-sample", "1x1"), 0, keep_jfif=True)
    yield "jpeg-no-jfif", adobe(cjpeg(), None)
    yield "jpeg-named-rgb", named_rgb(cjpeg("-sample", "1x1"))
    for kept in [1, 4, 7]:
        yield f"jpeg-{kept}-scans", without_scans(cjpeg("-progressive"), kept)


def jpegtran(file, *words):
    return subprocess.run(["jpegtran", "-copy", "all", *words], input=file, capture_output=True, check=True).stdout


def segments(file):
    """Pairs of a marker and its bytes with the marker; those of a scan hold its coded pixels."""
    at, found = 2, []
    while file[at + 1] != 0xD9:
        marker, end = file[at + 1], at + 2 + struct.unpack(">H", file[at + 2 : at + 4])[0]
        while marker == 0xDA and not (file[end] == 0xFF and file[end + 1] not in [0, *range(0xD0, 0xD8)]):
            end += 1
        found.append((marker, file[at:end]))
        at = end
    return found


def scripted(work, script):
    """What `work` does with a file of a script of scans."""
    path = HERE / "scans.txt"
    path.write_text(script)
    try:
        return work("-scans", str(path))
    finally:
        path.unlink()


def four_inks(sampling, transform):
    """A file of four components, each in a scan of its own, from one of three and one of grey."""
    colours = ",".join(sampling.split(",")[:3])
    three = segments(scripted(lambda *words: cjpeg("-quality", "85", "-sample", colours, *words), "0;\n1;\n2;\n"))
    factors = [tuple(map(int, each.split("x"))) for each in sampling.split(",")]
    across, down = factors[3]
    width = -(-W * across // max(x for x, _ in factors))
    height = -(-H * down // max(y for _, y in factors))
    grey = Image.fromarray(255 - photo()[:height, :width, 1])
    fourth = [data for marker, data in segments(cjpeg("-quality", "85", image=grey)) if marker == 0xDA][0]
    file = b"\xff\xd8"
    if transform is not None:
        file += b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
    for marker, data in three:
        if marker == 0xC0:
            data = data[:2] + struct.pack(">H", 20) + data[4:9] + b"\4" + data[10:] + bytes([4, across << 4 | down, 0])
        if marker not in [0xE0, 0xEE]:
            file += data
    return file + fourth.replace(b"\xff\xda\0\x08\1\1", b"\xff\xda\0\x08\1\4", 1) + b"\xff\xd9"


def inks():
    yield "jpeg-cmyk", cmyk(subsampling=0)
    yield "jpeg-cmyk-progressive", cmyk(subsampling=0, progressive=True)
    yield "jpeg-cmyk-no-adobe", adobe(cmyk(subsampling=0), None)
    file = bytearray(cmyk(subsampling=2))
    file[file.find(b"Adobe") + 11] = 2
    yield "jpeg-ycck", bytes(file)
    for sampling in ["1x1,1x1,1x1,1x1", "2x2,1x1,1x1,2x2", "1x2,1x1,1x1,1x1"]:
        for transform in [0, 2]:
            name = f"jpeg-inks-{sampling}-{'ycck' if transform else 'cmyk'}"
            apart = four_inks(sampling, transform)
            yield f"{name}-apart", apart
            yield name, jpegtran(apart)
            yield f"{name}-progressive", jpegtran(apart, "-progressive")
    yield "jpeg-inks-restart", jpegtran(apart, "-restart", "1B")
    yield "jpeg-inks-optimized", jpegtran(apart, "-optimize")


def stray(file, marker, bytes_before):
    """The file with bytes before each such marker, which no code uses."""
    return file.replace(marker, bytes_before + marker)


def strays():
    """Sequential files, in which stray bytes do no harm."""
    yield "jpeg-stray-bytes", stray(cjpeg(), b"\xff\xd9", bytes(20))
    yield "jpeg-stray-bytes-grey", stray(cjpeg(image=Image.fromarray(photo()).convert("L")), b"\xff\xd9", b"\x2a")
    yield "jpeg-stray-bytes-restart", stray(cjpeg("-restart", "1"), b"\xff\xd0", bytes(3))


def sharp_alone():
    for sampling in RARE:
        yield f"jpeg-{sampling}", cjpeg("-sample", sampling)
    yield "jpeg-inks-2x2,1x1,2x1,1x1", jpegtran(four_inks("2x2,1x1,2x1,1x1", 0))
    yield "jpeg-inks-2x2,1x1,1x1,2x1", jpegtran(four_inks("2x2,1x1,1x1,2x1", 0))
    whole = four_inks("2x2,1x1,1x1,2x2", 0)
    yield "jpeg-inks-mixed-scans", scripted(lambda *words: jpegtran(whole, *words), "0,3;\n1,2;\n")
    yield "jpeg-inks-arithmetic", jpegtran(cmyk(subsampling=0), "-arithmetic")


def webp(image, **options):
    file = io.BytesIO()
    image.save(file, "WEBP", **options)
    return file.getvalue()


def riff(kind, data):
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def u24(value):
    return struct.pack("<I", value)[:3]


def animation(canvas, frames):
    """An animation of still WebPs, each at a place that is even."""
    body = b"WEBP" + riff(b"VP8X", b"\x12\0\0\0" + u24(canvas[0] - 1) + u24(canvas[1] - 1)) + riff(b"ANIM", bytes([9, 8, 7, 255, 0, 0]))
    for left, top, image, options in frames:
        still = webp(image, **options)
        chunks = still[30:] if still[12:16] == b"VP8X" else still[12:]
        place = u24(left // 2) + u24(top // 2) + u24(image.width - 1) + u24(image.height - 1)
        body += riff(b"ANMF", place + u24(100) + b"\0" + chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webps():
    rgb, rgba = Image.fromarray(photo()), Image.fromarray(photo(4), "RGBA")
    few = rgb.quantize(5)
    noise = Image.fromarray(numpy.random.default_rng(3).integers(0, 256, (H, W, 4)).astype(numpy.uint8), "RGBA")
    for quality in [1, 60, 100]:
        yield f"webp-lossy-{quality}", webp(rgb, quality=quality)
    yield "webp-lossy-fast", webp(rgb, method=0)
    for quality in [20, 100]:
        yield f"webp-lossy-alpha-{quality}", webp(rgba, alpha_quality=quality)
    yield "webp-lossless", webp(rgb, lossless=True)
    yield "webp-lossless-slow", webp(rgb, lossless=True, method=6, quality=100)
    yield "webp-lossless-few-colours", webp(few.convert("RGB"), lossless=True)
    yield "webp-lossless-alpha", webp(rgba, lossless=True, exact=True)
    yield "webp-lossless-alpha-noise", webp(noise, lossless=True, exact=True)
    yield "webp-lossless-transparent-changed", webp(noise, lossless=True, exact=False)
    yield "webp-described", webp(rgb, icc_profile=b"p" * 130, xmp=b"<x/>", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    for size in [(1, 1), (1, 9), (16, 16), (17, 33)]:
        yield f"webp-{size[0]}x{size[1]}", webp(rgb.resize(size))
        yield f"webp-{size[0]}x{size[1]}-lossless", webp(rgb.resize(size), lossless=True)
    small, exact = noise.resize((9, 7)), {"lossless": True, "exact": True}
    yield "webp-animation", animation((W, H), [(0, 0, rgb, {}), (4, 2, small, exact)])
    yield "webp-animation-small-frame", animation((W, H), [(6, 4, small, exact), (0, 0, rgb, {})])
    yield "webp-animation-small-frame-lossy", animation((W, H), [(2, 0, small, {}), (0, 0, rgb, {})])


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(kind, depth, interlaced, extra=b"", filters=5, size=(13, 9), split=1 << 20):
    """Rows of random bytes, with each filter in turn: any bytes are the rows of some picture."""
    width, height = size
    draw = random.Random(f"{kind} {depth} {interlaced} {size}")
    rows = b""
    for x, y, across, down in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        columns, lines = -((x - width) // across), -((y - height) // down)
        for i in range(lines if columns > 0 else 0):
            rows += bytes([i % filters]) + draw.randbytes((columns * depth * SAMPLES[kind] + 7) // 8)
    deflated = zlib.compress(rows, 9)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    data = b"".join(chunk(b"IDAT", deflated[i : i + split]) for i in range(0, len(deflated), split))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + data + chunk(b"IEND", b"")


def palette(colours):
    return chunk(b"PLTE", random.Random(colours).randbytes(3 * colours))


def pngs():
    keys = {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: bytes(range(0, 4))}
    for interlaced in [0, 1]:
        where = "-interlaced" if interlaced else ""
        for kind, depths in {0: [1, 2, 4, 8], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}.items():
            for depth in depths:
                colours = palette(1 << depth) if kind == 3 else b""
                yield f"png-type-{kind}-{depth}{where}", png(kind, depth, interlaced, colours)
        for kind, key in keys.items():
            extra = (palette(4) if kind == 3 else b"") + chunk(b"tRNS", key)
            yield f"png-type-{kind}-transparent{where}", png(kind, 2 if kind != 2 else 8, interlaced, extra)
        for size in [(1, 1), (2, 5), (5, 2), (1, 9)]:
            yield f"png-{size[0]}x{size[1]}{where}", png(2, 8, interlaced, size=size)
    yield "png-gamma", png(2, 8, 0, chunk(b"gAMA", struct.pack(">I", 100000)))
    yield "png-significant-bits", png(2, 8, 0, chunk(b"sBIT", bytes([5, 5, 5])))
    yield "png-rgb-with-palette", png(2, 8, 0, palette(16))
    yield "png-palette-lacks-colours", png(3, 8, 0, palette(5))
    yield "png-many-chunks", png(2, 8, 0, split=7)


def high_bytes():
    """16-bit grey, without filters, so that its rows are its samples."""
    file = png(0, 16, 0, filters=1)
    at = file.find(b"IDAT")
    rows = zlib.decompress(file[at + 4 : at + 4 + struct.unpack(">I", file[at - 4 : at])[0]])
    samples = numpy.frombuffer(rows, numpy.uint8).reshape(9, 27)[:, 1::2]
    return "png-type-0-16", file, Image.fromarray(samples)


def answer(name, file, image=None):
    image = image or Image.open(io.BytesIO(file))
    rgb = image.convert("RGB").tobytes()
    digest = hashlib.sha256(rgb).hexdigest()
    return {"name": name, "file": base64.b64encode(file).decode(), "size": list(image.size), "sha256": digest}


def lines(pictures):
    return ",\n".join(json.dumps(picture) for picture in pictures)


def main():
    both = [answer(*high_bytes()), *(answer(*each) for maker in [jpegs, inks, strays, webps, pngs] for each in maker())]
    alone = [answer(*each) for each in sharp_alone()]
    head = '{ "madeWith": "Pillow %s", "pictures": [\n' % PIL.__version__
    (HERE / "pictures.json").write_text(head + lines(both) + '\n], "sharpAlone": [\n' + lines(alone) + "\n] }\n")


main()
