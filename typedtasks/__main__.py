"""`python -m typedtasks` is the same program as `typedtasks`."""

import sys

from typedtasks.cli import main

if __name__ == "__main__":
    sys.exit(main())
