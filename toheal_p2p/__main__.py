"""`python -m toheal_p2p` is `toheal`."""

from __future__ import annotations

import sys

from toheal_p2p.cli import main

if __name__ == "__main__":
    sys.exit(main())
