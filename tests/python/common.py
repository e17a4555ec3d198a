"""What the checks share: where they look, that no network is there, how they end."""

import json
import pathlib
import socket
import sys
import urllib.parse

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def refuse(*_args, **_kwargs):
    raise RuntimeError("a check reached for the network")


def offline():
    """Whatever a library wants to fetch fails."""
    socket.socket.connect = refuse
    socket.getaddrinfo = refuse
    socket.create_connection = refuse


def documents(store, pattern):
    """The files of a store that match, sorted, at least one."""
    found = sorted(pathlib.Path(store).glob(pattern))
    if not found:
        sys.exit(f"{store} has no {pattern}")
    return found


# urllib joins references only to bases whose scheme it knows.
urllib.parse.uses_relative.append("kfm")
urllib.parse.uses_netloc.append("kfm")


def iri(store, path):
    """The name of an object: the base of the references in it."""
    return "kfm://store/" + path.relative_to(store).as_posix()


def end(defects, **counted):
    """Says what was counted, or what is wrong."""
    if defects:
        sys.exit("\n".join(str(defect) for defect in defects[:20]))
    print(json.dumps(counted))
