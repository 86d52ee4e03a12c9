"""Pictures of every format and kind that is read, with Pillow's own pixels, into pictures.json beside this file.

    pip install pillow==9.4.0 numpy==2.4.6 tifffile==2026.3.3 imagecodecs==2026.3.6 && python make.py
    pip install pillow==13.0.0 && python make.py --check

--check reads the same files with another Pillow and tells which answers differ: none but those of LACK_COLOURS. The
answers of high_bytes are not Pillow's.
"""
import base64, hashlib, io, json, struct, sys
from pathlib import Path

import numpy
import PIL
from PIL import Image, ImageOps

HERE = Path(__file__).parent
W, H = 13, 9

# Indices beyond the palette: greys in Pillow 9.4, whose answers are recorded, and not in 13.
LACK_COLOURS = {"gif-index-beyond-palette", "bmp-8-index-beyond"}


def pattern(channels, bits=8, width=W, height=H):
    """Numbers of all sizes, without a random generator: [height, width, channels]."""
    index = numpy.arange(width * height * channels, dtype=numpy.uint64)
    values = ((index * 2654435761) ^ (index * index * 40503)) >> numpy.uint64(7)
    dtype = numpy.uint16 if bits > 8 else numpy.uint8
    return (values % (1 << bits)).astype(dtype).reshape(height, width, channels)


def smooth(channels, width=W, height=H):
    """What lossy formats like."""
    y, x, c = numpy.mgrid[0:height, 0:width, 0:channels]
    return ((x * 17 + y * 23 + c * 61) % 256).astype(numpy.uint8)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def tiff(data, **options):
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, data, metadata=None, software=False, **options)
    return file.getvalue()


def turned(orientation):
    return [(274, "H", 1, orientation, True)]


def tiffs():
    rgb, rgba, grey = pattern(3), pattern(4), pattern(1)[..., 0]
    wide, wide_alpha, wide_grey = pattern(3, 16), pattern(4, 16), pattern(1, 16)[..., 0]
    tile = pattern(3, width=37, height=21)
    for orientation in range(1, 9):
        turn = turned(orientation)
        yield f"tiff-rgb-strips-orientation-{orientation}", tiff(rgb, rowsperstrip=2, extratags=turn)
        yield f"tiff-rgb-tiles-orientation-{orientation}", tiff(tile, tile=(16, 16), extratags=turn)
        yield f"tiff-grey-orientation-{orientation}", tiff(grey, extratags=turn)
        yield f"tiff-rgb16-orientation-{orientation}", tiff(wide, photometric="rgb", extratags=turn)
        yield f"tiff-rgba-orientation-{orientation}", tiff(rgba, extrasamples=["unassalpha"], extratags=turn)
    for name, options in {
        "deflate": {},
        "deflate-big-endian": {"byteorder": ">"},
        "bigtiff": {"bigtiff": True},
        "predictor": {"predictor": 2},
    }.items():
        yield f"tiff-tiles-{name}", tiff(tile, tile=(16, 16), compression="deflate", **options)
    planes = numpy.moveaxis(tile, 2, 0)
    options = {"photometric": "rgb", "planarconfig": "separate", "compression": "deflate"}
    yield "tiff-tiles-planar", tiff(planes, tile=(16, 16), **options)
    yield "tiff-tiles-grey", tiff(tile[..., 0], tile=(32, 16), compression="lzw")
    yield "tiff-tiles-rgb16-orientation-5", tiff(pattern(3, 16, 37, 21), photometric="rgb", tile=(16, 16), extratags=turned(5))
    yield "tiff-tiles-associated-alpha", tiff(premultiplied(pattern(4, width=37, height=21)), tile=(16, 16), extrasamples=["assocalpha"])
    yield "tiff-tiles-jpeg", tiff(smooth(3, 37, 21), tile=(16, 16), photometric="ycbcr", compression="jpeg")
    yield "tiff-orientation-0", tiff(rgb, extratags=turned(0))
    yield "tiff-orientation-9", tiff(rgb, extratags=turned(9))
    yield "tiff-big-endian", tiff(rgb, byteorder=">")
    yield "tiff-big-endian-16", tiff(wide, byteorder=">", photometric="rgb")
    yield "tiff-bigtiff", tiff(rgb, bigtiff=True)
    yield "tiff-planar", tiff(numpy.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate")
    for name in ["lzw", "deflate", "packbits"]:
        yield f"tiff-{name}", tiff(rgb, compression=name)
    yield "tiff-predictor", tiff(rgb, compression="lzw", predictor=2)
    yield "tiff-associated-alpha", tiff(premultiplied(rgba), extrasamples=["assocalpha"])
    alpha = numpy.arange(256, dtype=numpy.uint8)[:, None].repeat(86, 1)
    pairs = [numpy.minimum(numpy.arange(first, first + 86)[None, :], alpha) for first in (0, 85, 170)]
    every = numpy.stack([*pairs, alpha], 2).astype(numpy.uint8)
    yield "tiff-associated-alpha-every-pair", tiff(every, extrasamples=["assocalpha"], compression="lzw", predictor=2)
    yield "tiff-associated-alpha-beyond", tiff(rgba, extrasamples=["assocalpha"])
    yield "tiff-associated-alpha-16", tiff(wide_alpha, photometric="rgb", extrasamples=["assocalpha"])
    yield "tiff-associated-alpha-orientation-6", tiff(premultiplied(rgba), extrasamples=["assocalpha"], extratags=turned(6))
    yield "tiff-unspecified-fourth", tiff(rgba, photometric="rgb", extrasamples=["unspecified"])
    yield "tiff-rgba16", tiff(wide_alpha, photometric="rgb", extrasamples=["unassalpha"])
    yield "tiff-grey-inverted", tiff(grey, photometric="miniswhite")
    yield "tiff-bilevel", tiff((grey > 127), photometric="minisblack")
    yield "tiff-bilevel-inverted", tiff((grey > 127), photometric="miniswhite")
    yield "tiff-cmyk", tiff(rgba, photometric="separated")
    yield "tiff-cmyk-orientation-6", tiff(rgba, photometric="separated", extratags=turned(6))
    yield "tiff-cmyk-16", tiff(wide_alpha, photometric="separated")
    yield "tiff-tiles-cmyk", tiff(pattern(4, width=37, height=21), photometric="separated", tile=(16, 16))
    yield "tiff-grey-alpha", tiff(pattern(2), photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"])
    yield "tiff-grey-4", tiff(grey % 16, bitspersample=4)
    yield "tiff-tiles-bilevel", tiff(tile[..., 0] > 127, tile=(16, 16), photometric="minisblack")
    colours = pattern(3, 16, 256, 1)[0].T.copy()
    yield "tiff-tiles-palette", tiff(tile[..., 0], tile=(16, 16), photometric="palette", colormap=colours)
    yield "tiff-five-samples", tiff(pattern(5), photometric="rgb", planarconfig="contig", extrasamples=["unassalpha", "unspecified"])
    jpeg = {"photometric": "ycbcr", "compression": "jpeg", "subsampling": (2, 2)}
    yield "tiff-jpeg-420", tiff(smooth(3, 61, 47), rowsperstrip=16, **jpeg)
    yield "tiff-tiles-jpeg-420", tiff(smooth(3, 61, 47), tile=(32, 32), **jpeg)
    image = Image.fromarray(rgb)
    yield "tiff-palette", saved(image.quantize(16, method=0, dither=0), "TIFF")
    yield "tiff-jpeg", saved(Image.fromarray(smooth(3, 32, 24)), "TIFF", compression="jpeg")
    yield "tiff-group4", saved(Image.fromarray(grey > 127), "TIFF", compression="group4")
    pages = [Image.fromarray(pattern(3)), Image.fromarray(smooth(3))]
    yield "tiff-pages", saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])


def premultiplied(rgba):
    wide = rgba.astype(numpy.uint32)
    wide[..., :3] = wide[..., :3] * wide[..., 3:] // 255
    return wide.astype(numpy.uint8)


def lzw(indices, bits):
    """GIF's LZW without compression: a clear code before the table could grow."""
    codes = []
    for at, value in enumerate(indices):
        if at % ((1 << bits) - 2) == 0:
            codes.append(1 << bits)
        codes.append(int(value))
    codes.append((1 << bits) + 1)
    stream = sum(code << (i * (bits + 1)) for i, code in enumerate(codes))
    data = stream.to_bytes((len(codes) * (bits + 1) + 7) // 8, "little")
    blocks = [data[i : i + 255] for i in range(0, len(data), 255)]
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif(screen, frames, palette=None, background=0):
    """frames: (left, top, [height, width] indices, {palette, transparent, disposal, interlaced})."""
    size = 0 if palette is None else (len(palette) // 3).bit_length() - 2
    flags = 0 if palette is None else 0x80 | size
    file = b"GIF89a" + struct.pack("<HHBBB", *screen, flags, background, 0) + bytes(palette or [])
    for left, top, indices, options in frames:
        transparent = options.get("transparent")
        packed = (options.get("disposal", 0) << 2) | (transparent is not None)
        file += b"\x21\xf9\x04" + struct.pack("<BHBB", packed, 10, transparent or 0, 0)
        own = options.get("palette")
        flags = (0x80 | ((len(own) // 3).bit_length() - 2) if own else 0) | (0x40 if options.get("interlaced") else 0)
        height, width = indices.shape
        file += b"\x2c" + struct.pack("<HHHHB", left, top, width, height, flags) + bytes(own or [])
        rows = indices
        if options.get("interlaced"):
            rows = numpy.concatenate([indices[0::8], indices[4::8], indices[2::4], indices[1::2]])
        file += lzw(rows.reshape(-1), options.get("bits", 3))
    return file + b"\x3b"


def gifs():
    colours = [*pattern(3, width=8, height=1).reshape(-1)]
    colours = [int(c) for c in colours]
    others = colours[::-1]
    full = (pattern(1)[..., 0] % 8).astype(numpy.uint8)
    part = full[:5, :6]
    yield "gif", gif((W, H), [(0, 0, full, {})], colours)
    yield "gif-interlaced", gif((W, H), [(0, 0, full, {"interlaced": True})], colours)
    yield "gif-transparent", gif((W, H), [(0, 0, full, {"transparent": 5})], colours)
    yield "gif-frame-smaller", gif((W, H), [(3, 2, part, {})], colours, background=4)
    yield "gif-frame-smaller-transparent", gif((W, H), [(3, 2, part, {"transparent": 5})], colours, background=4)
    yield "gif-frame-beyond-screen", gif((8, 6), [(4, 3, part, {})], colours)
    yield "gif-local-palette", gif((W, H), [(0, 0, full, {"palette": others})], colours)
    yield "gif-only-local-palette", gif((W, H), [(2, 1, part, {"palette": others})])
    yield "gif-no-palette", gif((W, H), [(0, 0, full, {})])
    yield "gif-index-beyond-palette", gif((W, H), [(0, 0, full, {})], colours[:12])
    for disposal in [1, 2, 3]:
        frames = [(1, 1, part, {"disposal": disposal, "transparent": 2}), (0, 0, full, {})]
        yield f"gif-animation-disposal-{disposal}", gif((W, H), frames, colours, background=3)
    yield "gif-compressed", saved(Image.fromarray(pattern(3, width=90, height=60)).quantize(256, method=0, dither=0), "GIF")
    yield "gif-grey-ramp", saved(Image.fromarray(pattern(1, width=64, height=48)[..., 0]), "GIF")


def bmp(bits, rows, palette=b"", compression=0, masks=b"", header=40, height=H, colours=0, width=W):
    offset = 14 + header + len(masks) + len(palette)
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(rows), 2835, 2835, colours, 0)
        if header > 40:
            info, masks = (info + masks).ljust(header, b"\0"), b""
            offset = 14 + header + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + info + masks + palette + rows


def padded(rows):
    return b"".join(bytes(row) + b"\0" * (-len(bytes(row)) % 4) for row in rows)


def bmps():
    rgb, rgba = pattern(3), pattern(4)
    grey = pattern(1)[..., 0]
    colours = pattern(3, width=256, height=1).reshape(-1, 3)
    quads = b"".join(bytes(c) + b"\0" for c in colours)
    yield "bmp-24", bmp(24, padded(rgb))
    yield "bmp-24-top-down", bmp(24, padded(rgb), height=-H)
    yield "bmp-24-os2", bmp(24, padded(rgb), header=12)
    yield "bmp-24-v5", bmp(24, padded(rgb), header=124)
    yield "bmp-32", bmp(32, padded(rgba))
    yield "bmp-8", bmp(8, padded(grey), quads)
    yield "bmp-8-few-colours", bmp(8, padded(grey % 20), quads[:80], colours=20)
    yield "bmp-8-index-beyond", bmp(8, padded(grey % 32), quads[:80], colours=20)
    yield "bmp-8-os2", bmp(8, padded(grey), colours.tobytes(), header=12)
    yield "bmp-8-grey", saved(Image.fromarray(grey), "BMP")
    four = (grey % 16).astype(numpy.uint8)
    yield "bmp-4", bmp(4, padded(nibbles(four)), quads[:64], colours=16)
    yield "bmp-1", bmp(1, padded(numpy.packbits(grey > 127, axis=1)), quads[:8], colours=2)
    yield "bmp-1-black-white", saved(Image.fromarray(grey > 127), "BMP")
    five = pattern(1, 16)[..., 0]
    yield "bmp-16-555", bmp(16, padded(five.astype("<u2").view(numpy.uint8).reshape(H, -1)))
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    yield "bmp-16-565", bmp(16, padded(five.astype("<u2").view(numpy.uint8).reshape(H, -1)), compression=3, masks=masks)
    masks = struct.pack("<III", 0x7C00, 0x3E0, 0x1F)
    yield "bmp-16-555-masks", bmp(16, padded(five.astype("<u2").view(numpy.uint8).reshape(H, -1)), compression=3, masks=masks)
    masks = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
    yield "bmp-32-masks", bmp(32, padded(rgba), compression=3, masks=masks)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    yield "bmp-32-alpha-v5", bmp(32, padded(rgba), compression=3, masks=masks, header=124)
    masks = struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    yield "bmp-32-rgba-v5", bmp(32, padded(rgba), compression=3, masks=masks, header=124)
    masks = struct.pack("<IIII", 0xFF000000, 0xFF0000, 0xFF00, 0xFF)
    yield "bmp-32-abgr-v5", bmp(32, padded(rgba), compression=3, masks=masks, header=124)
    runs = grey.copy()
    runs[:, 4:11] = 7
    rows = b""
    for row in runs:
        rows += b"\0\4" + bytes(row[:4]) + b"\7\7" + b"\1" + bytes([row[11]]) + b"\1" + bytes([row[12]]) + b"\0\0"
    yield "bmp-rle8", bmp(8, rows + b"\0\1", quads, compression=1)
    rows = b""
    for row in four:
        rows += b"\0\4" + bytes(nibbles(row[None, :4])[0]) + b"\5" + bytes([row[4] * 16 + row[5]]) + b"\0\0"
    yield "bmp-rle4-short-rows", bmp(4, rows + b"\0\1", quads[:64], compression=2, colours=16)


def nibbles(rows):
    even = numpy.pad(rows, ((0, 0), (0, rows.shape[1] % 2)))
    return (even[:, 0::2] << 4 | even[:, 1::2]).astype(numpy.uint8)


def pnms():
    rgb, grey, bits = pattern(3), pattern(1)[..., 0], pattern(1)[..., 0] > 127
    text = lambda values: " ".join(str(int(v)) for v in values.reshape(-1)).encode()
    yield "ppm", b"P6\n13 9\n255\n" + rgb.tobytes()
    yield "ppm-comments", b"P6 # a comment\n# another\n13\t9 # c\n255\n" + rgb.tobytes()
    for maximum in [1, 2, 100, 254]:
        yield f"ppm-maximum-{maximum}", b"P6 13 9 %d\n" % maximum + (rgb % (maximum + 1)).astype(numpy.uint8).tobytes()
    yield "ppm-beyond-maximum", b"P6 13 9 100\n" + rgb.tobytes()
    for maximum in [256, 1000, 65535]:
        wide = (pattern(3, 16).astype(int) % (maximum + 1)).astype(">u2")
        yield f"ppm-16-maximum-{maximum}", b"P6 13 9 %d\n" % maximum + wide.tobytes()
    yield "pgm", b"P5 13 9 255\n" + grey.tobytes()
    yield "pgm-maximum-15", b"P5 13 9 15\n" + (grey % 16).tobytes()
    yield "pbm", b"P4 13 9\n" + numpy.packbits(bits, axis=1).tobytes()
    yield "pbm-plain", b"P1\n13 9\n" + text(bits)
    yield "pbm-plain-packed", b"P1\n13 9\n" + text(bits).replace(b" ", b"")
    yield "pgm-plain", b"P2\n13 9\n255\n" + text(grey)
    yield "ppm-plain", b"P3\n13 9\n255\n" + text(rgb)
    yield "ppm-plain-comments", b"P3\n13 9\n255\n# a comment\n" + text(rgb)
    yield "ppm-plain-maximum-100", b"P3\n13 9\n100\n" + text(rgb % 101)
    yield "ppm-plain-16", b"P3\n13 9\n1000\n" + text(pattern(3, 16) % 1001)


def high_bytes():
    """16-bit grey, which Pillow clips: expected is the high byte, as the contract has it."""
    grey = pattern(1, 16)[..., 0]
    yield "tiff-grey-16", tiff(grey), grey
    yield "tiff-grey-16-big-endian", tiff(grey, byteorder=">"), grey
    yield "tiff-grey-16-inverted", tiff(grey, photometric="miniswhite"), 65535 - grey
    yield "tiff-grey-16-orientation-3", tiff(grey, extratags=turned(3)), grey[::-1, ::-1]
    planes = pattern(3, 16)  # Pillow takes the bytes of such planes for samples
    yield "tiff-planar-16", tiff(numpy.moveaxis(planes, 2, 0), photometric="rgb", planarconfig="separate"), planes
    yield "pgm-16", b"P5 13 9 65535\n" + grey.astype(">u2").tobytes(), grey


def others():
    rgb, rgba = pattern(3), pattern(4)
    yield "png-rgba", saved(Image.fromarray(rgba), "PNG")
    yield "png-grey-alpha", saved(Image.fromarray(pattern(2), "LA"), "PNG")
    palette = Image.fromarray(rgb).quantize(16, method=0, dither=0)
    yield "png-palette-transparent", saved(palette, "PNG", transparency=bytes(range(0, 160, 10)))
    yield "png-colour-key", saved(Image.fromarray(rgb), "PNG", transparency=tuple(int(v) for v in rgb[0, 0]))
    yield "webp-lossless-alpha", saved(Image.fromarray(rgba), "WEBP", lossless=True, exact=True)
    yield "webp-lossy", saved(Image.fromarray(smooth(3, 40, 31)), "WEBP", quality=80)
    yield "webp-lossy-alpha", saved(Image.fromarray(smooth(4, 40, 31)), "WEBP", quality=80)
    frames = [Image.fromarray(pattern(3)), Image.fromarray(smooth(3))]
    yield "webp-animation", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    yield "jpeg-cmyk", saved(Image.fromarray(smooth(4, 40, 31), "CMYK"), "JPEG")
    yield "jpeg-420", saved(Image.fromarray(smooth(3, 41, 31)), "JPEG")
    yield "jpeg-progressive-grey", saved(Image.fromarray(smooth(1, 40, 31)[..., 0]), "JPEG", progressive=True)
    exif = Image.Exif()
    exif[274] = 6
    yield "jpeg-exif-6", saved(Image.fromarray(smooth(3, 40, 31)), "JPEG", exif=exif)
    yield "png-exif-6", saved(Image.fromarray(rgb), "PNG", exif=exif)
    yield "webp-exif-6", saved(Image.fromarray(rgb), "WEBP", lossless=True, exif=exif)


def answer(name, file):
    image = Image.open(io.BytesIO(file))
    image.load()  # which turns a TIFF
    found = {"name": name, "file": base64.b64encode(file).decode(), **pixels(image, name)}
    if name.endswith("exif-6"):
        found["upright"] = pixels(ImageOps.exif_transpose(image), name)
    return found


def pixels(image, name):
    rgb = image.convert("RGB").tobytes()
    if len(rgb) > 600 and name != "jpeg-cmyk":
        return {"size": list(image.size), "sha256": hashlib.sha256(rgb).hexdigest()}
    return {"size": list(image.size), "rgb": base64.b64encode(rgb).decode()}


def main():
    path = HERE / "pictures.json"
    if "--check" in sys.argv:
        high = {name for name, _, _ in high_bytes()}
        for picture in json.loads(path.read_text())["pictures"]:
            found = answer(picture["name"], base64.b64decode(picture["file"]))
            if found != picture and picture["name"] not in {*LACK_COLOURS, *high}:
                print("differs:", picture["name"])
        return
    makers = [tiffs, gifs, bmps, pnms, others]
    pictures = []
    for name, file, samples in high_bytes():
        high = Image.fromarray((samples >> 8).astype(numpy.uint8))
        pictures.append({"name": name, "file": base64.b64encode(file).decode(), **pixels(high, name)})
    for name, file in (pair for maker in makers for pair in maker()):
        pictures.append(answer(name, file))
    lines = ",\n".join(json.dumps(picture) for picture in pictures)
    path.write_text('{ "madeWith": "Pillow ' + PIL.__version__ + '", "pictures": [\n' + lines + "\n] }\n")


main()
