"""Fail when the tests took too few of the core's branches.

Coverage's own `fail_under` averages lines and branches; this looks at the branches alone.
"""

import json
import subprocess
import sys

FLOOR = 97.0  # per cent

report = subprocess.run(
    [sys.executable, "-m", "coverage", "json", "--quiet", "-o", "-"],
    check=True,
    stdout=subprocess.PIPE,
)
totals = json.loads(report.stdout)["totals"]
percent = totals["percent_branches_covered"]
print(f"{percent:.1f} % of the core's branches covered; at least {FLOOR:.0f} % wanted")
sys.exit(percent < FLOOR)
