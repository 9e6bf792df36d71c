import subprocess
import sys


def test_the_provider_needs_no_pytest():
    """A development server imports it where only bodhi itself is installed."""
    program = "import sys; sys.modules['pytest'] = None; import bodhi.testing; print(bodhi.testing.DevelopmentProvider)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ("", 0) == (done.stderr, done.returncode)
