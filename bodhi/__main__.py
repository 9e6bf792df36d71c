"""``python -m bodhi``."""

import sys

from bodhi.cli import main

sys.exit(main())
