"""One long session of the openstack command line client.

Every line of standard input is a command line of the client. What came of it is one line of JSON on standard
output: the exit status and what was printed. The client takes seconds to load, and so is loaded once; each
command gets a client of its own, as from a shell.
"""

import contextlib
import io
import json
import shlex
import sys

from openstackclient import shell


def carry_out(line):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = shell.main(shlex.split(line))
        except SystemExit as end:
            status = end.code
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}


for line in sys.stdin:
    print(json.dumps(carry_out(line)), flush=True)
