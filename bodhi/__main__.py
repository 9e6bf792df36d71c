"""``python -m bodhi``."""

import sys


def main() -> int:
    """The exit status; Ctrl-C ends quietly also while the program is still being loaded."""
    try:
        from bodhi.cli import main as run
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
