// SPDX-License-Identifier: Apache-2.0
// RunningTask: what current_task() gives to user code.
#include "runner.h"
#include "telemetry.h"
#include "telemetry/names.h"

static PyObject *text_or_none(fq_str text) {
    return text.len > 0 ? core_text(text.ptr, text.len) : Py_NewRef(Py_None);
}

task_object *core_task_new(runner_object *runner, const struct fq_runner_task *task, PyObject *name) {
    PyTypeObject *type = runner->state->task_type;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    task_object *self = (task_object *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->runner = Py_NewRef((PyObject *)runner);
    self->name = Py_NewRef(name);
    self->priority = text_or_none(task->priority);
    self->encoding = text_or_none(task->encoding);
    self->traceparent = text_or_none(task->traceparent);
    self->tracestate = text_or_none(task->tracestate);
    self->baggage = text_or_none(task->baggage);
    memcpy(self->id, task->id, sizeof self->id);
    self->token = task->token;
    self->timeout_ms = task->timeout_ms;
    self->submitted_ms = task->submitted_ms;
    self->eligible_ms = task->eligible_ms;
    self->slot = task->slot;
    self->attempt = task->attempt;
    if (self->priority == NULL || self->encoding == NULL || self->traceparent == NULL ||
        self->tracestate == NULL || self->baggage == NULL)
        Py_CLEAR(self);
    return self;
}

PyObject *core_task_span(task_object *task) {
    runner_object *runner = (runner_object *)task->runner;
    if (task->span == NULL && runner != NULL && otel_span_context_is_valid(&task->context)) {
        bool is_open = !task->finished && runner->runner != NULL && !runner->forked;
        otel_span *span = is_open ? fq_runner_span(runner->runner, task->slot) : NULL;
        task->span = (PyObject *)core_span_wrap(runner->state, span, FQ_SPAN_EXECUTE, &task->context);
        PyErr_Clear();
    }
    return Py_XNewRef(task->span);
}

static int task_traverse(task_object *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->runner);
    Py_VISIT(self->span);
    return 0;
}

static int task_clear(task_object *self) {
    Py_CLEAR(self->runner);
    Py_CLEAR(self->span);
    return 0;
}

static void task_dealloc(task_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    (void)task_clear(self);
    Py_XDECREF(self->name);
    Py_XDECREF(self->priority);
    Py_XDECREF(self->encoding);
    Py_XDECREF(self->traceparent);
    Py_XDECREF(self->tracestate);
    Py_XDECREF(self->baggage);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *task_should_stop(task_object *self, PyObject *unused) {
    (void)unused;
    runner_object *runner = (runner_object *)self->runner;
    if (self->finished || runner == NULL || runner->runner == NULL || runner->forked)
        Py_RETURN_FALSE;
    return PyBool_FromLong(fq_runner_wish(runner->runner, self->slot) != FQ_WISH_NONE);
}

static PyObject *task_repr(task_object *self) {
    return PyUnicode_FromFormat("<RunningTask %R %s attempt %u>", self->name, self->id, self->attempt);
}

static PyObject *task_get_id(task_object *self, void *unused) {
    (void)unused;
    return PyUnicode_FromString(self->id);
}

static PyObject *task_get_timeout(task_object *self, void *unused) {
    (void)unused;
    return self->timeout_ms > 0 ? PyFloat_FromDouble((double)self->timeout_ms / 1e3) : Py_NewRef(Py_None);
}

enum task_field { TASK_NAME, TASK_PRIORITY, TASK_ENCODING, TASK_TRACEPARENT, TASK_TRACESTATE, TASK_BAGGAGE };

static PyObject *task_get_object(task_object *self, void *field) {
    PyObject *const objects[] = {self->name,        self->priority,   self->encoding,
                                 self->traceparent, self->tracestate, self->baggage};
    return Py_NewRef(objects[(uintptr_t)field]);
}

enum task_number { TASK_TOKEN, TASK_ATTEMPT, TASK_SLOT, TASK_SUBMITTED, TASK_ELIGIBLE };

static PyObject *task_get_number(task_object *self, void *field) {
    const uint64_t numbers[] = {self->token, self->attempt, self->slot, (uint64_t)self->submitted_ms,
                                (uint64_t)self->eligible_ms};
    return PyLong_FromUnsignedLongLong(numbers[(uintptr_t)field]);
}

#define OBJECT(name, field, doc)                                                                             \
    { name, (getter)task_get_object, NULL, doc, (void *)(uintptr_t)(field) }
#define NUMBER(name, field, doc)                                                                             \
    { name, (getter)task_get_number, NULL, doc, (void *)(uintptr_t)(field) }
static PyMethodDef task_methods[] = {
    {"should_stop", METHOD(task_should_stop), METH_NOARGS, "True once it was cancelled or its time is up."},
    {NULL,          NULL,                     0,           NULL                                           },
};
static PyGetSetDef task_properties[] = {
    {"id",      (getter)task_get_id,      NULL, "The task's id.",                      NULL},
    {"timeout", (getter)task_get_timeout, NULL, "Its time limit in seconds, or None.", NULL},
    OBJECT("name", TASK_NAME, "The task's name."),
    OBJECT("priority", TASK_PRIORITY, "Its priority, lower case."),
    OBJECT("encoding", TASK_ENCODING, "How its payload is encoded."),
    OBJECT("traceparent", TASK_TRACEPARENT, "W3C trace context of the submitter, or None."),
    OBJECT("tracestate", TASK_TRACESTATE, "W3C trace state of the submitter, or None."),
    OBJECT("baggage", TASK_BAGGAGE, "W3C baggage of the submitter, or None."),
    NUMBER("attempt", TASK_ATTEMPT, "1 for the first attempt."),
    NUMBER("token", TASK_TOKEN, "Fencing token: only grows per task."),
    NUMBER("slot", TASK_SLOT, "The board's slot."),
    NUMBER("submitted_ms", TASK_SUBMITTED, "When it was submitted, unix milliseconds."),
    NUMBER("eligible_ms", TASK_ELIGIBLE, "Since when it could run, unix milliseconds."),
    {NULL,      NULL,                     NULL, NULL,                                  NULL},
};
static PyType_Slot task_slots[] = {
    {Py_tp_doc,      DOC("The task that runs here.")},
    {Py_tp_dealloc,  (void *)task_dealloc           },
    {Py_tp_traverse, (void *)task_traverse          },
    {Py_tp_clear,    (void *)task_clear             },
    {Py_tp_repr,     (void *)task_repr              },
    {Py_tp_methods,  task_methods                   },
    {Py_tp_getset,   task_properties                },
    {0,              NULL                           },
};
static PyType_Spec task_spec = {
    .name = "fastqueue._core.RunningTask",
    .basicsize = sizeof(task_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = task_slots,
};

int core_task_add(PyObject *module, struct core_state *state) {
    return core_add_type(module, &task_spec, &state->task_type);
}
