"""Submits tasks with a queue's own client: submit.py APP KIND COUNT [each | batches SIZE | async AT_ONCE]; prints what that took as JSON."""
import importlib
import json
import sys
import time


def main() -> None:
    app, kind, count, form, size, *_ = [*sys.argv[1:], "each", "0"] if len(sys.argv) < 5 else [*sys.argv[1:], "0"]
    module = importlib.import_module(app + "_app")
    submit = {"each": "submit_each", "batches": "submit_batches", "async": "submit_async"}[form]
    more = (int(size),) if form != "each" else ()
    getattr(module, submit)(kind, 1, *(1 for _ in more))  # connections are made and modules loaded
    began, cpu = time.perf_counter(), time.process_time()
    getattr(module, submit)(kind, int(count), *more)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"submit_rate": int(count) / seconds, "client_cpu_us": cpu * 1e6 / int(count)}))


if __name__ == "__main__":
    main()
