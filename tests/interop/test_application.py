"""A Python application that has an OpenTelemetry of its own: one trace, one pipeline; and what tasks log."""
from queue_under_test import Queue, telemetry

# The application of the guide's batching section: a provider, an exporter and a BatchSpanProcessor of the reference SDK.
APPLICATION = """
import asyncio
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

exporter = OTLPSpanExporter()
processor = BatchSpanProcessor(exporter, max_queue_size=2048, max_export_batch_size=512, schedule_delay_millis=100)
provider = TracerProvider()
provider.add_span_processor(processor)
trace.set_tracer_provider(provider)

from fastqueue import Client
async def main():
    client = Client()
    await client.start()
    with trace.get_tracer("shop").start_as_current_span("checkout"):
        print(await client.delay("process_data", {"a": 1}))
    client.stop()
asyncio.run(main())
provider.shutdown()
"""
# A span processor of the application's, added to FastQueue's own provider.
ADDED_PROCESSOR = """
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from fastqueue import Client
import fastqueue.telemetry
async def main():
    client = Client()
    await client.start()
    provider = trace.get_tracer_provider()
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(), max_queue_size=2048, max_export_batch_size=512,
                                                   schedule_delay_millis=100))
    with trace.get_tracer("shop").start_as_current_span("checkout"):
        print("id:", await client.delay("process_data", {"a": 1}))
    client.stop()
    provider.force_flush()
asyncio.run(main())
"""


def named(spans, name):
    [found] = [span for span in spans if span.name == name]
    return found


def variables(collector, **more):
    return lambda service: telemetry(collector.endpoint("grpc"), service, **more)


def complete(*names):
    return lambda spans: set(names) <= {span.name for span in spans}


def test_applications_span_is_the_parent_and_spans_go_through_one_pipeline(collector):
    with Queue(variables(collector)) as queue, queue.worker():
        task_id = queue.python(APPLICATION).strip()
        assert queue.wait(task_id)["status"] == "success"
        names = ("checkout", "client.submit_task", "worker.execute_task", "custom_operation")
        trace = collector.trace_of_task(task_id, complete(*names))
    checkout, submission, execution = (named(trace, name) for name in names[:3])
    assert checkout.resource["telemetry.sdk.language"] == "python"
    assert submission.parent_id == checkout.span_id
    assert submission.resource["telemetry.sdk.language"] == "python", "through the application's pipeline, and only there"
    assert execution.parent_id == submission.span_id


def test_applications_pipeline_can_be_left_to_the_application(collector):
    with Queue(variables(collector)) as queue, queue.worker():
        task_id = queue.python(APPLICATION, FASTQUEUE_TELEMETRY_PIPELINE="native").strip()
        trace = collector.trace_of_task(task_id, complete("checkout", "client.submit_task", "worker.execute_task"))
    assert named(trace, "client.submit_task").resource["telemetry.sdk.language"] == "c"
    assert named(trace, "client.submit_task").parent_id == named(trace, "checkout").span_id


def test_batch_span_processor_snippet_attaches_to_the_native_pipeline(collector):
    with Queue(variables(collector)) as queue, queue.worker():
        printed = queue.python(ADDED_PROCESSOR)
        task_id = next(line for line in printed.splitlines() if line.startswith("id: "))[4:]
        trace = collector.trace_of_task(task_id, complete("checkout", "client.submit_task", "worker.execute_task"))
    assert named(trace, "client.submit_task").parent_id == named(trace, "checkout").span_id
    assert '"name": "client.submit_task"' in printed and '"name": "checkout"' in printed


def test_logs_of_a_task_arrive_with_its_trace(collector):
    with Queue(variables(collector, OTEL_LOGS_EXPORTER="otlp")) as queue, queue.worker():
        task_id = queue.submit_by_python("speak", "hello")
        assert queue.wait(task_id)["status"] == "success"
        execution = named(collector.trace_of_task(task_id), "worker.execute_task")
        def mine(records):
            return [r for r in records if r.trace_id == execution.trace_id]
        expected = {"logged: hello", "printed: hello", "complained: hello"}
        records = mine(collector.wait_for_records(lambda found: expected <= {r.body.strip() for r in mine(found)},
                                                  "records of the task"))
    # Without a handler of its own Python also prints the warning on stderr, which is a record like all that is printed.
    [logged] = [record for record in records if record.body.strip() == "logged: hello" and record.severity > 0]
    assert logged.span_id == execution.span_id
    assert logged.severity == 13  # WARN
    assert logged.attributes["task.id"] == task_id
    assert logged.attributes["fastqueue.task.attempt"] == 1
    assert logged.service == "fastqueue-worker"
