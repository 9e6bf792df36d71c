"""``bodhi doctor``: check the installation and suggest fixes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click

from bodhi.cli.checks import findings_about
from bodhi.cli.command_line import CommandLine
from bodhi.cli.findings import Finding
from bodhi.cli.output import print_json
from bodhi.cli.tables import print_paragraph


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def doctor(command_line: CommandLine, as_json: bool) -> int:
    """Check the installation and suggest fixes.

    Checks settings, files, databases, clocks, keys and the identity provider, without changing anything. The exit
    status is 1 if there is a fault, else 0, even with warnings.
    """
    findings: list[Finding] = []
    with _without_log():
        for finding in findings_about(command_line.given):
            findings.append(finding)
            if not as_json:
                _print_finding(finding)  # immediately: some checks wait for a timeout
    if as_json:
        print_json([asdict(finding) for finding in findings])
    return 1 if any(finding.state == "fault" for finding in findings) else 0


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep warnings off stderr: findings say the same."""
    logger, handler = logging.getLogger("bodhi"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _print_finding(finding: Finding) -> None:
    print_paragraph(f"{finding.state:8} {finding.check:21} ", finding.message)
    if finding.advice is not None:
        print_paragraph(f"{'':8} {'':21} -> ", finding.advice)
