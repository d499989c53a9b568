"""Prints the Python that the Makefile makes its environment with: of the first supported version found, the fastest.

    python3 choose_python.py

Why: builds of one version differ by a fifth in what antipodes does. Those of Debian, Fedora and python.org are
optimised by profile; those that pyenv compiles are not, unless it is told. Nothing in an interpreter says reliably how
it was built, so each runs the same few loops, in turn. Standard library only, and any Python 3 runs this.
"""

import os
import subprocess
import sys

VERSIONS = ("3.11", "3.12", "3.13", "3.14")  # in the order in which they are taken
FOLDERS = (*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin")
ROUNDS = 3
PROBE = """
import ensurepip, sys, timeit, venv
def work():
    table = {}
    for number in range(2000):
        text = "%d:%s" % (number, "x")
        table[text] = text.partition(":")[0].encode()
    return sum(len(one) for one in table.values())
print("%d.%d" % sys.version_info[:2], min(timeit.repeat(work, number=5, repeat=12)), sys.executable)
"""


def probed(program: str) -> "tuple[str, float, str] | None":
    """(version, seconds, path) of an interpreter; None if it cannot make environments."""
    command = [program, "-I", "-c", PROBE]
    try:
        done = subprocess.run(  # noqa: S603 - what is on the PATH under Python's own names
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=True
        )
        version, seconds, path = done.stdout.decode().strip().split(" ", 2)
        return version, float(seconds), path
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def choose() -> "str | None":
    """Its path, or None."""
    for version in VERSIONS:
        best_s: dict[str, float] = {}
        for _ in range(ROUNDS):
            for folder in FOLDERS:
                for name in ("python" + version, "python3"):
                    found = probed(f"{folder}/{name}") if os.access(f"{folder}/{name}", os.X_OK) else None
                    if found is not None and found[0] == version:
                        path = os.path.realpath(found[2])
                        best_s[path] = min(found[1], best_s.get(path, found[1]))
            if len(best_s) < 2:
                break
        if best_s:
            return min(best_s, key=lambda path: best_s[path])
    return None


if __name__ == "__main__":
    chosen = choose()
    if chosen is None:
        sys.exit("antipodes needs Python 3.11 or later, with its modules venv and ensurepip; none was found.")
    print(chosen)
