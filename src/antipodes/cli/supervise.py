"""The detached supervisor's entry: `python -m antipodes.cli.supervise DATA_DIR` runs a prepared planet."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from antipodes.cli import pidfile
from antipodes.globe import planet as planets
from antipodes.globe import supervisor


def mark(ready: Path) -> None:
    """Tells whoever started us that the planet serves."""
    ready.write_text(str(os.getpid()))


def main(data_dir: Path) -> int:
    lock = pidfile.take(data_dir)
    if lock is None:
        print(f"antipodes: A planet already runs in {data_dir} (pid {pidfile.read(data_dir)}).", file=sys.stderr)
        return 1
    ready = data_dir / "ready"
    ready.unlink(missing_ok=True)
    try:
        with lock:
            return supervisor.run(
                data_dir,
                planets.read(data_dir),
                announce=lambda line: print(line, flush=True),
                ready=lambda: mark(ready),
            )
    except planets.PlanetError as error:
        print(f"antipodes: {error}", file=sys.stderr)
        return 1
    finally:
        ready.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
