"""Runs inside a Lambda worker process that does not come from a template: stands for AWS's /var/runtime/bootstrap.

    python handler_bootstrap.py        the handler's name is in _HANDLER

A wrapper script gets the interpreter and this as its arguments, as on AWS, and may put options between them. Nothing
of antipodes but handler_names: it is started by its path.
"""

from __future__ import annotations

import importlib
import os
import sys

if __name__ == "__main__":
    importlib.import_module("handler_names").lead_home()
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]  # as "python -m" has it, in the function's folder
    importlib.import_module("awslambdaric.__main__").main(["awslambdaric", os.environ["_HANDLER"]])
