"""Runs a command on a terminal of its own, types answers, and prints what a person saw.

usage: terminal.py COLUMNS LINES ANSWERS COMMAND...; ANSWERS is a JSON list of lines to type, each
once the screen ends with a question. Prints {exit, screen: [line], typed, colours}.
"""

import json
import os
import pty
import re
import select
import struct
import sys
from fcntl import ioctl
from termios import TIOCSWINSZ

import pyte

# Sets a colour; others move the cursor, or are bold.
COLOUR = re.compile(rb"\x1b\[(\d+;)*(3|4|9|10)\d(;\d+)*m")


def main(columns, lines, answers, command):
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color")
        os.execvp(command[0], command)
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    screen = pyte.HistoryScreen(columns, lines, history=10000)
    stream, colours, typed = pyte.ByteStream(screen), False, 0
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if not ready:
            if typed < len(answers) and asked(screen):
                os.write(terminal, (answers[typed] + "\n").encode())
                typed += 1
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        colours = colours or COLOUR.search(data) is not None
        stream.feed(data)
    seen = ["".join(row[at].data for at in range(columns)).rstrip() for row in screen.history.top]
    seen += [line.rstrip() for line in screen.display]
    while seen and not seen[-1]:
        seen.pop()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps({"exit": code, "screen": seen, "typed": typed, "colours": colours}))


def asked(screen):
    """Whether the line of the cursor is a question that waits."""
    return screen.display[screen.cursor.y].rstrip().endswith(":")


main(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:])
