"""Draws an SVG from stdin as a PNG on stdout. A program of its own, run by `pictures.py` for one drawing.

A drawing of a few lines can ask for hours of work and any amount of memory, so this process has a limit on both.
It loads no fonts of the system and opens no file.
"""

from __future__ import annotations

import resource
import sys

import resvg_py

SECONDS = 5
MEMORY_BYTES = 512 * 1024 * 1024


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    drawing = sys.stdin.buffer.read().decode()
    width, height = (int(size) or None for size in sys.argv[1:])  # a zero: what keeps the drawing's proportions
    picture = resvg_py.svg_to_bytes(svg_string=drawing, width=width, height=height, skip_system_fonts=True)
    sys.stdout.buffer.write(picture)


if __name__ == "__main__":
    main()
