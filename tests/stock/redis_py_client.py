"""Submits, fetches, completes with redis-py as it comes, default connection pool; a long task kept alive by a second thread."""
import json
import sys
import threading
import time

import redis


def as_map(flat):
    return flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2]))


def submit_and_work(client: redis.Redis) -> None:
    ids = [client.execute_command("FQ.SUBMIT", "stock.py", json.dumps({"args": [n], "kwargs": {}})) for n in range(50)]
    with client.pipeline(transaction=False) as pipe:
        for n in range(50, 100):
            pipe.execute_command("FQ.SUBMIT", "stock.py", json.dumps({"args": [n], "kwargs": {}}))
        ids += pipe.execute()
    assert len(set(ids)) == 100
    client.execute_command("FQ.REGISTER", "redis-py-worker", "TASKS", "stock.py", "SLOTS", "4")
    done = 0
    while done < 100:
        for task in map(as_map, client.execute_command("FQ.FETCH", "WORKER", "redis-py-worker", "COUNT", "10", "BLOCK", "500")):
            value = json.loads(task["payload"])["args"][0]
            assert client.execute_command("FQ.COMPLETE", task["id"], task["token"], json.dumps(value + 1)) in (True, "OK")
            done += 1
    for n, task_id in enumerate(ids):
        result = as_map(client.execute_command("FQ.RESULT", task_id))
        assert result["status"] == "success" and json.loads(result["result"]) == n + 1, result
        assert result["worker"] == "redis-py-worker", result


def long_task(client: redis.Redis, seconds: float, beat: float) -> None:
    """Runs longer than its lease; a second thread heartbeats through the same pool."""
    task_id = client.execute_command("FQ.SUBMIT", "stock.long", '{"args":[],"kwargs":{}}')
    task = as_map(client.execute_command("FQ.FETCH", "TASKS", "stock.long", "BLOCK", "1000")[0])
    stop = threading.Event()
    verdicts = []

    def keep_alive() -> None:
        while not stop.wait(beat):
            verdicts.append(client.execute_command("FQ.HEARTBEAT", task["id"], task["token"], "running")[0])

    thread = threading.Thread(target=keep_alive)
    thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        assert client.execute_command("FQ.FETCH", "TASKS", "stock.long") == [], "the running task was handed out again"
    stop.set()
    thread.join()
    assert verdicts and set(verdicts) == {"ok"}, verdicts
    assert client.execute_command("FQ.COMPLETE", task["id"], task["token"], '"late but mine"') in (True, "OK")
    status = as_map(client.execute_command("FQ.RESULT", task_id))
    assert status["status"] == "success" and int(status["attempt"]) == 1, status


def stale_lease(client: redis.Redis) -> None:
    client.execute_command("FQ.SUBMIT", "stock.stale", "{}")
    task = as_map(client.execute_command("FQ.FETCH", "TASKS", "stock.stale")[0])
    assert client.execute_command("FQ.RELEASE", task["id"], task["token"]) in (1, True, "OK")
    again = as_map(client.execute_command("FQ.FETCH", "TASKS", "stock.stale", "BLOCK", "1000")[0])
    assert again["id"] == task["id"] and int(again["token"]) > int(task["token"])
    try:
        client.execute_command("FQ.COMPLETE", task["id"], task["token"], "1")
    except redis.ResponseError as error:
        assert str(error).startswith("STALELEASE"), error
    else:
        raise AssertionError("a stale token completed a task")
    client.execute_command("FQ.COMPLETE", again["id"], again["token"], "2")


def main() -> None:
    port, seconds, beat = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    for protocol in (2, 3):
        client = redis.Redis(port=port, decode_responses=True, protocol=protocol)
        assert client.ping()
        submit_and_work(client)
        stale_lease(client)
    long_task(client, seconds, beat)
    print(f"redis-py {redis.__version__}: RESP2 and RESP3, {seconds:.0f} s task kept alive from a second thread")


if __name__ == "__main__":
    main()
