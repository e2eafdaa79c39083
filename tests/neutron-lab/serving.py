"""Waits until somebody consumes from every queue that is named; fails after a time.

usage: serving.py ADDRESS SECONDS QUEUE...
"""
import sys
import time

import amqp

address, seconds, queues = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
deadline = time.monotonic() + seconds


def consumed(channel, queue):
    try:
        return channel.queue_declare(queue, passive=True).consumer_count > 0
    except amqp.exceptions.NotFound:
        channel.connection.channel()  # the broker has closed the other one
        return False


while queues:
    try:
        with amqp.Connection(f"{address}:5672", connect_timeout=5) as connection:
            queues = [queue for queue in queues if not consumed(connection.channel(), queue)]
    except OSError:
        pass
    if queues and time.monotonic() > deadline:
        sys.exit(f"nobody serves {' '.join(queues)}")
    time.sleep(0.1)
