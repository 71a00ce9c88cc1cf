"""In continuous integration, a test that skips for a missing package or program fails.

`tests/conftest.py` loads this plugin. A skip in CI hides what was never tested; on a developer's
machine it is a convenience. Skips for other reasons (another operating system, no root) stay.
"""

import os
import re

import pytest

MISSING = re.compile(r"not installed|is installed|could not import|No module named|not found")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Turns such a skip into a failure that names what is missing."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if MISSING.search(reason):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} would be skipped in CI: {reason}"
    return report
