"""Runs inside a Lambda worker process: stands for AWS's /var/runtime/bootstrap, where a function has a wrapper script.

    python handler_bootstrap.py        the handler's name is in _HANDLER

A wrapper gets the interpreter and this as its arguments, as on AWS, and may put options between them. Nothing of
antipodes: it is started by its path.
"""

from __future__ import annotations

import importlib
import os
import sys

if __name__ == "__main__":
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]  # as "python -m" has it, in the function's folder
    importlib.import_module("awslambdaric.__main__").main(["awslambdaric", os.environ["_HANDLER"]])
