// SPDX-License-Identifier: Apache-2.0
// Names of spans, metrics and attributes that users, dashboards and alerts rely on; each stands here once.
// Sources: the integration guide in docs/, messaging semantic conventions 1.44.
#ifndef FQ_TELEMETRY_NAMES_H
#define FQ_TELEMETRY_NAMES_H

#define FQ_SPAN_SUBMIT   "client.submit_task"
#define FQ_SPAN_EXECUTE  "worker.execute_task"
// Parts of the time before an attempt runs, children of the submitter's span beside the attempt; each only if it lasted 10 ms.
#define FQ_SPAN_DELAY    "task.scheduled"  // submitted to eligible: an intended delay or a retry's backoff
#define FQ_SPAN_WAIT     "task.queued"     // eligible to granted
#define FQ_SPAN_TRANSFER "task.prefetched" // granted to started

#define FQ_ATTR_TASK_ID        "task.id"
#define FQ_ATTR_TASK_NAME      "task.name"
#define FQ_ATTR_TASK_PRIORITY  "task.priority"
#define FQ_ATTR_WORKER_ID      "worker.id"
#define FQ_ATTR_QUEUE_PRIORITY "queue.priority"
#define FQ_ATTR_ATTEMPT        "fastqueue.task.attempt"
#define FQ_ATTR_STATE          "fastqueue.task.state"
#define FQ_ATTR_DELAY_MS       "fastqueue.task.delay_ms"
#define FQ_ATTR_WAIT_MS        "fastqueue.task.wait_time_ms"
#define FQ_ATTR_TRANSFER_MS    "fastqueue.task.transfer_ms"

// Messaging conventions; a task's name is its destination (tasks of one name are what FQ.QUEUES lists as a queue).
#define FQ_ATTR_SYSTEM            "messaging.system" // FQ_SYSTEM
#define FQ_ATTR_OPERATION         "messaging.operation.name"
#define FQ_ATTR_OPERATION_TYPE    "messaging.operation.type"
#define FQ_ATTR_DESTINATION       "messaging.destination.name" // the task's name
#define FQ_ATTR_MESSAGE_ID        "messaging.message.id"       // the task's id
#define FQ_ATTR_CLIENT_ID         "messaging.client.id"        // the worker's id
#define FQ_ATTR_SERVER_ADDRESS    "server.address"
#define FQ_ATTR_SERVER_PORT       "server.port"
#define FQ_ATTR_ERROR_TYPE        "error.type"
#define FQ_SYSTEM                 "fastqueue"
#define FQ_OPERATION_SUBMIT       "submit"  // type FQ_OPERATION_TYPE_SEND
#define FQ_OPERATION_EXECUTE      "execute" // type FQ_OPERATION_TYPE_PROCESS
#define FQ_OPERATION_TYPE_SEND    "send"
#define FQ_OPERATION_TYPE_PROCESS "process"

#define FQ_METRIC_PROCESS_DURATION "messaging.process.duration"          // s
#define FQ_METRIC_CONSUMED         "messaging.client.consumed.messages"  // {message}
#define FQ_METRIC_SENT             "messaging.client.sent.messages"      // {message}
#define FQ_METRIC_OPERATION        "messaging.client.operation.duration" // s

#define FQ_METRIC_SUBMITTED "fastqueue.tasks.submitted"  // {task}
#define FQ_METRIC_COMPLETED "fastqueue.tasks.completed"  // {task}
#define FQ_METRIC_FAILED    "fastqueue.tasks.failed"     // {task}
#define FQ_METRIC_DURATION  "fastqueue.tasks.duration"   // {millisecond}
#define FQ_METRIC_WORKERS   "fastqueue.workers.active"   // {worker}
#define FQ_METRIC_QUEUE     "fastqueue.queue.size"       // {task}
#define FQ_METRIC_RETRIED   "fastqueue.tasks.retried"    // {task}
#define FQ_METRIC_WAIT      "fastqueue.task.wait_time"   // s
#define FQ_METRIC_TASKS     "fastqueue.tasks"            // {task}, by state
#define FQ_METRIC_OLDEST    "fastqueue.queue.oldest_age" // s

// Bucket bounds of messaging.*.duration in seconds, as the semantic conventions advise: an initializer.
#define FQ_MESSAGING_BOUNDS_S                                                                                \
    { 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10 }

#endif
