"""
Follows event streams with `requests` until the service sends a 204. Each line of the input is a JSON list of URLs; the
answer is a line with the events of each. The first line of the output is empty: the script is ready.
"""

import concurrent.futures
import json
import sys
import time

import requests


def follow(url):
    events = []
    last_event_id = None
    retry_seconds = 2
    while True:
        headers = {"last-event-id": last_event_id} if last_event_id else {}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=30) as response:
                if response.status_code == 204:
                    return events
                fields = {}
                for line in response.iter_lines(chunk_size=None):
                    if not line:
                        if "data" in fields:
                            last_event_id = fields.get("id", last_event_id)
                            events.append({name: fields.get(name) for name in ("event", "id", "data")})
                        fields = {}
                        continue
                    name, _, value = line.decode().partition(":")
                    if name == "retry":
                        retry_seconds = int(value) / 1000
                    elif name:
                        fields[name] = value.removeprefix(" ")
        except requests.RequestException:
            pass  # The connection was cut.
        time.sleep(retry_seconds)


print(flush=True)
for line in sys.stdin:
    urls = json.loads(line)
    with concurrent.futures.ThreadPoolExecutor(len(urls)) as executor:
        print(json.dumps(list(executor.map(follow, urls))), flush=True)
