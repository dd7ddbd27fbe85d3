"""Pictures of few colours, a third as large: the browser counts the colours, and zlib does the rest.

https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import base64
import struct
import zlib

from playwright.async_api import Page

# Colours that differ by less than 8 in each part are one. The 256 most used remain, the others become the nearest.
REDUCE = """
async (source) => {
  const image = new Image();
  image.src = source;
  await image.decode();
  const { width, height } = image;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const bins = new Map();
  const binAt = (at) => (data[at] >> 3) * 1024 + (data[at + 1] >> 3) * 32 + (data[at + 2] >> 3);
  for (let at = 0; at < data.length; at += 4) {
    const key = binAt(at);
    let bin = bins.get(key);
    if (!bin) bins.set(key, (bin = { count: 0, sum: [0, 0, 0] }));
    bin.count += 1;
    for (const part of [0, 1, 2]) bin.sum[part] += data[at + part];
  }
  for (const bin of bins.values()) bin.colour = bin.sum.map((part) => Math.round(part / bin.count));
  const kept = [...bins.values()].sort((one, other) => other.count - one.count).slice(0, 256);
  const far = (one, other) => one.colour.reduce((sum, part, at) => sum + (part - other.colour[at]) ** 2, 0);
  for (const bin of bins.values()) {
    bin.index = kept.reduce((best, one, at) => (far(bin, one) < far(bin, kept[best]) ? at : best), 0);
  }
  const pixels = new Uint8Array(width * height);
  for (let at = 0; at < pixels.length; at += 1) pixels[at] = bins.get(binAt(at * 4)).index;
  const url = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(new Blob([pixels]));
  });
  return { width, height, palette: kept.flatMap((bin) => bin.colour), pixels: url.split(",")[1] };
}
"""


async def reduced(page: Page, png: bytes) -> bytes:
    """The same picture with at most 256 colours. `page` is an empty one."""
    found = await page.evaluate(REDUCE, f"data:image/png;base64,{base64.b64encode(png).decode()}")
    width, pixels = found["width"], base64.b64decode(found["pixels"])
    lines = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    head = struct.pack(">IIBBBBB", width, found["height"], 8, 3, 0, 0, 0)  # eight bits, with a palette
    chunks = [
        (b"IHDR", head),
        (b"PLTE", bytes(found["palette"])),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
