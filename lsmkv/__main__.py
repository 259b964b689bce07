"""`python -m lsmkv` is the command `lsmkv`."""

import sys

from lsmkv.cli import main

if __name__ == "__main__":
    sys.exit(main())
