"""Messages that wait for a service that hangs, and those who call the app meanwhile: all share the worker's threads."""

import json

from emulator.azurite import Azurite
from emulator.server import Emulator
from shared.intake.message import MessageBody
from shared.settings import Azurite as AzuriteSetting
from tests.e2e.test_function_app import QUEUE, python
from tests.harness.app import run_completed
from tests.harness.function_host import settings_for
from tests.harness.storage import empty

AT_ONCE = 1.0
"""Seconds. Event Grid waits 30, a probe of health less."""
CALL_WHILE_ALL_HANG = """
import json, os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import requests
from azure.storage.queue import QueueClient
from emulator.client import Control
from emulator.functions_host.host import FunctionsHost

queue, warm, messages, events = json.loads(sys.argv[1])
client = QueueClient.from_connection_string(os.environ["LineageStorage"], queue)
control = Control(os.environ["PURVIEW_ENDPOINT"], os.environ["LINEAGE_CA_BUNDLE"])
host = FunctionsHost(Path("."))
host.start(queues=False)

def post(event):
    webhook = f"{host.url}/runtime/webhooks/eventgrid?functionName=receive_event&code={host.keys.system}"
    return requests.post(webhook, json=[event], headers={"aeg-event-type": "Notification"})

def look(_):
    return requests.get(f"{host.url}/api/health/live")

def timed(call, argument):
    started = time.monotonic()
    answer = call(argument)
    return answer.status_code, time.monotonic() - started

client.send_message(warm)
assert host.pump_once(queue) == 1  # what is imported once is no part of it
post(events[0])
client.clear_messages()

control.faults({"service": "azure_ml", "statuses": [200] * 100, "delay_ms": 60_000})
for message in messages:
    client.send_message(message)
for _ in range(2):  # 8 and 4: as many as the listener has in work at once
    threading.Thread(target=host.pump_once, args=(queue,), daemon=True).start()
deadline = time.monotonic() + 30
while len(control.pending_faults()[0]["statuses"]) > 96 and time.monotonic() < deadline:
    time.sleep(0.05)  # four requests hang, and no more are sent to a service at once: the other messages wait for them
with ThreadPoolExecutor(4) as callers:
    posted = list(callers.map(lambda event: timed(post, event), events))
    looked = list(callers.map(lambda number: timed(look, number), range(8)))
print(json.dumps([host._pumps[queue].running, posted, looked]), flush=True)
os._exit(0)
"""
"""Answers how many messages hang, and status and seconds of each call of the webhook and of `live` meanwhile."""


def test_webhook_and_health_answer_at_once_while_every_message_waits(
    emulator: Emulator, azurite_server: Azurite
) -> None:
    """Twelve hang, which is as many as the host hands over at once; forty events come."""
    emulator.control.use("credit-risk")
    empty(AzuriteSetting(azurite_server.base_port))
    warm = MessageBody(run_completed("creditrisk_train"), "warm").to_json()
    messages = [MessageBody(run_completed(f"hangs-{number}"), f"hangs-{number}").to_json() for number in range(12)]
    events = [json.loads(run_completed(f"comes-{number}")) for number in range(40)]
    settings = {"PATH": "", **settings_for(emulator, azurite_server)}
    said = python(CALL_WHILE_ALL_HANG, json.dumps([QUEUE, warm, messages, events]), settings=settings)
    hanging, posted, looked = json.loads(said)
    assert hanging == 12
    assert {status for status, _ in posted} == {202}
    assert {status for status, _ in looked} == {204}
    assert max(seconds for _, seconds in (*posted, *looked)) < AT_ONCE
