"""Runs a command on a terminal of its own and writes what a person saw as an animated SVG.

usage: record.py OUT.svg COLUMNS LINES COMMAND...
"""

import html
import os
import pty
import select
import struct
import sys
import time
from fcntl import ioctl
from termios import TIOCSWINSZ

import pyte

CELL_WIDTH, LINE_HEIGHT, MARGIN = 8.4, 18, 12
COLOURS = {"default": "#d6d9dd", "red": "#ff7b72", "green": "#7ee787", "brown": "#e3b341",
           "blue": "#79c0ff", "magenta": "#d2a8ff", "cyan": "#76e3ea", "white": "#ffffff"}
BOLD = ' font-weight="700"'
FRAME_EVERY, HOLD_LAST = 0.25, 8.0


def record(columns, lines, command):
    """The screens that were seen, each with the seconds after the start; and the exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color")
        os.execvp(command[0], command)
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    frames, began = [], time.monotonic()
    prompt = "$ " + " ".join(command)
    stream.feed(prompt.encode() + b"\r\n")
    frames.append((0.0, rows(screen)))
    while True:
        ready, _, _ = select.select([terminal], [], [], FRAME_EVERY)
        try:
            data = os.read(terminal, 65536) if ready else b""
        except OSError:
            break
        if ready and not data:
            break
        stream.feed(data)
        now = time.monotonic() - began
        if now - frames[-1][0] >= FRAME_EVERY and rows(screen) != frames[-1][1]:
            frames.append((now, rows(screen)))
    frames.append((time.monotonic() - began, rows(screen)))
    return frames, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def rows(screen):
    """The screen as lines of (text, colour, bold) pieces."""
    def line(cells):
        pieces = []
        for column in range(screen.columns):
            cell = cells[column]
            look = (cell.fg, cell.bold)
            if pieces and pieces[-1][1:] == look:
                pieces[-1] = (pieces[-1][0] + cell.data, *look)
            else:
                pieces.append((cell.data, *look))
        return tuple(pieces)
    return tuple(line(screen.buffer[number]) for number in range(screen.lines))


def drawn(frame):
    """One screen as SVG text."""
    out = []
    for number, line in enumerate(frame):
        if not "".join(piece[0] for piece in line).strip():
            continue
        spans = "".join(
            f'<tspan fill="{COLOURS.get(fg, COLOURS["default"])}"{BOLD if bold else ""}>'
            f"{html.escape(text)}</tspan>"
            for text, fg, bold in line)
        y = MARGIN + (number + 1) * LINE_HEIGHT - 4
        out.append(f'<text x="{MARGIN}" y="{y}" xml:space="preserve">{spans}</text>')
    return "".join(out)


def svg(frames, columns, lines, title):
    """All screens, shown one after the other; without animation the last one is seen."""
    width, height = columns * CELL_WIDTH + 2 * MARGIN, lines * LINE_HEIGHT + 2 * MARGIN
    whole = frames[-1][0] + HOLD_LAST
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img"><title>{html.escape(title)}</title>',
        "<style>text{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
        "@media (prefers-reduced-motion){animate{display:none}}</style>",
        '<rect width="100%" height="100%" rx="8" fill="#1b1f24"/>',
    ]
    for number, (at, frame) in enumerate(frames):
        last = number + 1 == len(frames)
        until = whole if last else frames[number + 1][0]
        times = f"0;{at / whole:.5f};{until / whole:.5f}"
        parts.append(
            f'<g visibility="{"visible" if last else "hidden"}">{drawn(frame)}'
            f'<animate attributeName="visibility" calcMode="discrete" dur="{whole:.2f}s" '
            f'repeatCount="indefinite" keyTimes="{times}" values="hidden;visible;hidden"/></g>')
    return "\n".join([*parts, "</svg>\n"])


def main():
    out, columns, lines, *command = sys.argv[1:]
    frames, code = record(int(columns), int(lines), command)
    with open(out, "w", encoding="utf-8") as file:
        file.write(svg(frames, int(columns), int(lines), " ".join(command)))
    print(f"{out}: {len(frames)} screens, exit {code}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
