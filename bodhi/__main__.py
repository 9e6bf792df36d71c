"""``python -m bodhi``."""

import sys


def main() -> int:
    """Run a command and return its exit status; Ctrl-C ends quietly, even during imports."""
    try:
        from bodhi.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        # bodhi.session alone works with fewer packages than the commands.
        if error.name is None or error.name.partition(".")[0] == "bodhi":
            raise
        sys.stderr.write(f"bodhi: error: {error.name} is not installed; pip install bodhi-sessions installs it\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
