"""Says again what the server says to agents: each message once more as it is, once more under another name, and, when
it is not about forwarding entries, under another name some seconds later. The first line of standard input says what is
listened to, and is answered when it is; the next ends it, and is answered with the number of messages.

usage: echo.py ADDRESS
       the line: fanout exchanges with commas, a space, routing keys of the exchange "neutron" with commas
"""
import heapq
import json
import os
import select
import socket
import sys
import time
import uuid

import amqp

connection = amqp.Connection(f"{sys.argv[1]}:5672")
connection.connect()
channel = connection.channel()
queue = channel.queue_declare("", exclusive=True).queue
fanouts, keys = sys.stdin.readline().split()
for fanout in fanouts.split(","):
    channel.queue_bind(queue, fanout)
for key in keys.split(","):
    channel.queue_bind(queue, "neutron", key)
late, repeated = [], 0


def renamed(body):
    outer = json.loads(body)
    inner = json.loads(outer["oslo.message"])
    inner["_unique_id"] = uuid.uuid4().hex
    outer["oslo.message"] = json.dumps(inner)
    return json.dumps(outer)


def say(message, body):
    again = amqp.Message(body, application_headers={"echo": "yes"}, content_type="application/json",
                         content_encoding="utf-8", delivery_mode=2)
    channel.basic_publish(again, exchange=message.delivery_info["exchange"],
                          routing_key=message.delivery_info["routing_key"])


def hear(message):
    global repeated
    if "echo" in (message.headers or {}):
        return
    repeated += 1
    say(message, message.body)
    say(message, renamed(message.body))
    # A forwarding entry has neither a number nor anybody to ask: its order is all there is.
    if "l2population" not in message.delivery_info["routing_key"]:
        heapq.heappush(late, (time.monotonic() + 0.5 + repeated * 0.7 % 5.5, repeated, message))


channel.basic_consume(queue, callback=hear, no_ack=True)
print(0, flush=True)
ending = False
while not ending or late:
    while late and late[0][0] < time.monotonic():
        message = heapq.heappop(late)[2]
        say(message, renamed(message.body))
    if not ending and select.select([sys.stdin], [], [], 0)[0]:
        os.read(0, 100)
        ending = True
    try:
        connection.drain_events(timeout=0.05)
    except (socket.timeout, TimeoutError):
        pass
print(repeated, flush=True)
