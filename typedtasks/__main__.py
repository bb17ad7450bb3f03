"""`python -m typedtasks` is the same program as `typedtasks`."""

import os
import sys
from contextlib import suppress

# Python puts the working directory first, and the project there may have a file `queue.py`. Commands look there when it is time.
with suppress(OSError):
    if not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]

from typedtasks.cli import main

if __name__ == "__main__":
    sys.exit(main())
