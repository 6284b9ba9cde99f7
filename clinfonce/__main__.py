"""`python -m clinfonce` is the `clinfonce` command."""

import sys

from clinfonce.cli import main

sys.exit(main())
