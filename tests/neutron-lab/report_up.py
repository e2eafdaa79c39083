"""The server's own share of a port's way to ACTIVE: reports ports as an agent would, one call each, without doing
anything on a node. Reads lines "PORT HOST", and answers each with the seconds that the call took.

usage: report_up.py ADDRESS
"""
import json
import sys
import time
import uuid

import amqp

connection = amqp.Connection(f"{sys.argv[1]}:5672")
connection.connect()
channel = connection.channel()
queue = f"reply_{uuid.uuid4().hex}"
channel.queue_declare(queue, auto_delete=False, arguments={"x-expires": 1800000})
replies = []
channel.basic_consume(queue, callback=lambda message: replies.append(message.body), no_ack=True)
for line in sys.stdin:
    port, host = line.split()
    request = {"method": "update_device_list", "version": "1.9", "_context_is_admin": True, "_unique_id": uuid.uuid4().hex,
               "_msg_id": uuid.uuid4().hex, "_reply_q": queue, "_timeout": None,
               "args": {"devices_up": [port], "devices_down": [], "agent_id": f"ovs-agent-{host}", "host": host,
                        "refresh_tunnels": False}}
    body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(request)})
    started = time.monotonic()
    channel.basic_publish(amqp.Message(body, content_type="application/json", content_encoding="utf-8", delivery_mode=2),
                          exchange="neutron", routing_key="q-plugin")
    replies.clear()
    while not replies:
        connection.drain_events(timeout=60)
    answer = json.loads(json.loads(replies[0])["oslo.message"])
    if answer.get("failure"):
        sys.exit(answer["failure"])
    print(time.monotonic() - started, flush=True)
