"""Serves Neutron's API on a unix socket by waitress: threads of one process, and nothing to compile.

usage: api.py SOCKET LOG      (OS_NEUTRON_CONFIG_DIR and OS_NEUTRON_CONFIG_FILES name the configuration)
"""
import sys

socket, log = sys.argv[1:]
# Neutron reads the command line when it is imported.
sys.argv = ["neutron-api", "--log-file", log]

try:
    from oslo_service import backend
    backend.init_backend(backend.BackendType.THREADING)
except (ImportError, AttributeError, ValueError):
    pass  # releases that have eventlet only

import waitress  # noqa: E402
from neutron.wsgi.api import application  # noqa: E402

waitress.serve(application, unix_socket=socket, unix_socket_perms="666", threads=8)
