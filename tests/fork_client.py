"""The process that stands for a fork (tests/forks.py): PYTHON SOCKET ROOT MODULE ARGUMENT…, run with -IS, so that it starts at once.

Code of another checkout than ROOT is run as ever, by `PYTHON -u -m MODULE ARGUMENT…`.
"""

import marshal
import os
import signal
import socket
import sys


def main(python: str, path: str, root: str, module: str, *arguments: str) -> int:
    if os.environ.get("PYTHONPATH") != root:
        os.execv(python, [python, "-u", "-m", module, *arguments])
    starter = os.getppid()
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    # pathlib takes longer to import than all the rest here.
    packed = marshal.dumps((module, arguments, os.getcwd(), dict(os.environ)))  # noqa: PTH109
    server.sendall(len(packed).to_bytes(4, "big"))
    sent = socket.send_fds(server, [packed], [0, 1, 2])
    server.sendall(packed[sent:])
    fork = int.from_bytes(server.recv(4), "big")
    for number in (0, 1, 2):
        os.close(number)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda asked, _: os.kill(fork, asked))
    server.settimeout(1)
    while True:
        try:
            said = server.recv(1)
        except TimeoutError:
            # Whoever was killed ends nobody: its processes end by themselves.
            if os.getppid() != starter:
                return 1
        else:
            return said[0] if said else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
