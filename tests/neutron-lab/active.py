"""Tells when ports become active. Reads lines of port ids, and answers each with the time, in seconds since 1970, at which
every port of the line was first seen ACTIVE in the database.

usage: active.py SOCKET
"""
import sys
import time

import pymysql

database = pymysql.connect(unix_socket=sys.argv[1], user="root", database="neutron", autocommit=True)
with database.cursor() as cursor:
    for line in sys.stdin:
        waiting = set(line.split())
        while waiting:
            names = ",".join(["%s"] * len(waiting))
            cursor.execute(f"select id from ports where status = 'ACTIVE' and id in ({names})", list(waiting))
            waiting -= {row[0] for row in cursor.fetchall()}
            if waiting:
                time.sleep(0.005)
        print(time.time(), flush=True)
