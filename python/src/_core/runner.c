// SPDX-License-Identifier: Apache-2.0
// Runner: fq_runner for Python. The GIL is given up only while it waits with nothing to do.
#include "runner.h"
#include "telemetry.h"

#include <time.h>

static PyObject *raise_runner_error(runner_object *self, int error) {
    return core_raise(self->state, error, fq_runner_error(self->runner));
}

static bool is_open(runner_object *self) {
    if (self->runner != NULL && !self->forked)
        return true;
    core_raise(self->state, FQ_ECLOSED,
               self->forked ? "this is a forked child of a runner" : "the runner is closed");
    return false;
}

static void close_runner(runner_object *self) {
    if (self->runner == NULL || self->forked)
        return;
    core_telemetry_adopt(self->state, NULL); // it ends with the runner
    self->runner = fq_runner_close(self->runner);
}

static PyObject *runner_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Runner", KEYWORDS(names)))
        return NULL;
    struct core_state *state = core_state_of_type(type);
    fq_runner *runner = NULL;
    char message[512] = "";
    int error = fq_runner_open(&runner, message, sizeof message);
    if (error < 0)
        return core_raise(state, error, message);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    runner_object *self = (runner_object *)allocate(type, 0);
    if (self == NULL) {
        (void)fq_runner_close(runner);
        return NULL;
    }
    self->runner = runner;
    self->state = state;
    self->coroutines_max = 1;
    core_telemetry_adopt(state, fq_runner_sdk(runner));
    return (PyObject *)self;
}

#define EACH_REFERENCE(self, DO)                                                                             \
    DO((self)->functions);                                                                                   \
    DO((self)->copy_context);                                                                                \
    DO((self)->set_current);                                                                                 \
    DO((self)->scan_json);                                                                                   \
    DO((self)->decode);                                                                                      \
    DO((self)->encode);                                                                                      \
    DO((self)->describe);                                                                                    \
    DO((self)->start);                                                                                       \
    DO((self)->leave_child)

static int runner_traverse(runner_object *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    EACH_REFERENCE(self, Py_VISIT);
    return 0;
}

static int runner_clear(runner_object *self) {
    EACH_REFERENCE(self, Py_CLEAR);
    return 0;
}

static void runner_dealloc(runner_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    (void)runner_clear(self);
    core_bytes_free(&self->out);
    close_runner(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

// bind(functions=, …): everything that the loop calls.
static PyObject *runner_bind(runner_object *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"functions",   "copy_context",   "set_current", "scan_json",
                                        "decode",      "encode",         "describe",    "start",
                                        "leave_child", "coroutines_max", NULL};
    PyObject *given[9];
    unsigned coroutines_max;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OOOOOOOOI:bind", KEYWORDS(names), &PyList_Type,
                                     &given[0], &given[1], &given[2], &given[3], &given[4], &given[5],
                                     &given[6], &given[7], &given[8], &coroutines_max))
        return NULL;
    PyObject **fields[] = {&self->functions, &self->copy_context, &self->set_current,
                           &self->scan_json, &self->decode,       &self->encode,
                           &self->describe,  &self->start,        &self->leave_child};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        PyObject *old = *fields[i];
        *fields[i] = Py_NewRef(given[i]);
        Py_XDECREF(old);
    }
    self->coroutines_max = coroutines_max > 0 ? coroutines_max : 1;
    Py_RETURN_NONE;
}

static PyObject *runner_declare(runner_object *self, PyObject *names) {
    Py_ssize_t count = PySequence_Check(names) ? PySequence_Size(names) : -1;
    if (count < 0 || !is_open(self))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "declare() takes a sequence of names");
    PyObject *kept = PySequence_Tuple(names);
    fq_str *texts = kept != NULL ? PyMem_Calloc((size_t)count + 1, sizeof *texts) : NULL;
    PyObject *result = NULL;
    Py_ssize_t i = 0;
    for (; texts != NULL && i < count; i++) {
        Py_ssize_t len;
        texts[i].ptr = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(kept, i), &len);
        texts[i].len = (size_t)len;
        if (texts[i].ptr == NULL)
            break;
    }
    if (texts != NULL && i == count) {
        int error = fq_runner_declare(self->runner, texts, (size_t)count);
        result = error < 0 ? raise_runner_error(self, error) : Py_NewRef(Py_None);
    }
    PyMem_Free(texts);
    Py_XDECREF(kept);
    return result;
}

// set_defaults(index, retries, backoff_ms, timeout_ms): what the definition of a declared name says; 0 = nothing.
static PyObject *runner_set_defaults(runner_object *self, PyObject *args) {
    unsigned index, retries;
    long long backoff_ms, timeout_ms;
    if (!PyArg_ParseTuple(args, "IILL:set_defaults", &index, &retries, &backoff_ms, &timeout_ms) ||
        !is_open(self))
        return NULL;
    if ((Py_ssize_t)index >= PyList_Size(self->functions))
        return PyErr_Format(PyExc_IndexError, "no name %u was declared", index);
    struct fq_runner_defaults defaults = {retries, backoff_ms, timeout_ms};
    fq_runner_set_defaults(self->runner, index, &defaults);
    Py_RETURN_NONE;
}

static PyObject *runner_declare_failed(runner_object *self, PyObject *message) {
    const char *text = PyUnicode_AsUTF8AndSize(message, NULL);
    if (text == NULL || !is_open(self))
        return NULL;
    fq_runner_declare_failed(self->runner, text);
    Py_RETURN_NONE;
}

static uint32_t wanted(const runner_object *self) {
    return self->coroutines < self->coroutines_max ? self->coroutines_max - self->coroutines : 0;
}

// 1 and a task that has not begun; 0 if none is here.
static int take_next(runner_object *self, struct fq_runner_task *ret_task) {
    if (self->has_held) {
        self->has_held = false;
        *ret_task = self->held;
        return 1;
    }
    return fq_runner_next(self->runner, ret_task);
}

static int64_t monotonic_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// Runs what has been fetched until nothing is left, `until_us` has passed, or coroutines need the thread.
static int execute_ready(runner_object *self, int64_t until_us) {
    struct fq_runner_task task;
    while (take_next(self, &task) == 1) {
        if (self->coroutines >= self->coroutines_max && runner_is_coroutine(self, &task)) {
            self->held = task;
            self->has_held = true;
            return 0;
        }
        uint32_t before = self->coroutines;
        if (!runner_is_coroutine(self, &task))
            fq_runner_settle(self->runner, 50); // no task may lie unread in the socket while a function runs
        if (runner_execute(self, &task) < 0)
            return -1;
        int error = fq_runner_poll(self->runner, wanted(self));
        if (error < 0)
            return raise_runner_error(self, error), -1;
        if (until_us != INT64_MAX && (before > 0 || monotonic_us() >= until_us))
            return 0;
    }
    return 0;
}

// run(): functions only, until the runner is to end. Signals of Python are served between tasks.
static PyObject *runner_run(runner_object *self, PyObject *unused) {
    (void)unused;
    if (!is_open(self))
        return NULL;
    while (!fq_runner_should_exit(self->runner)) {
        int error;
        Py_BEGIN_ALLOW_THREADS;
        error = fq_runner_wait(self->runner, 1, -1);
        Py_END_ALLOW_THREADS;
        if (PyErr_CheckSignals() < 0)
            return NULL;
        if (error < 0)
            return raise_runner_error(self, error);
        if (execute_ready(self, INT64_MAX) < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

// run_ready(seconds): with an event loop that is not running now: functions run, coroutines start.
static PyObject *runner_run_ready(runner_object *self, PyObject *seconds) {
    double limit = PyFloat_AsDouble(seconds);
    if ((limit == -1.0 && PyErr_Occurred()) || !is_open(self))
        return NULL;
    int error = fq_runner_poll(self->runner, wanted(self));
    if (error < 0)
        return raise_runner_error(self, error);
    if (execute_ready(self, monotonic_us() + (int64_t)(limit * 1e6)) < 0)
        return NULL;
    Py_RETURN_NONE;
}

// start_ready() -> True if a function waits for the loop to stop. Called inside the running event loop.
static PyObject *runner_start_ready(runner_object *self, PyObject *unused) {
    (void)unused;
    if (!is_open(self))
        return NULL;
    int error = fq_runner_poll(self->runner, wanted(self));
    if (error < 0)
        return raise_runner_error(self, error);
    struct fq_runner_task task;
    while (take_next(self, &task) == 1) {
        bool coroutine = runner_is_coroutine(self, &task);
        if (!coroutine || self->coroutines >= self->coroutines_max) {
            self->held = task;
            self->has_held = true;
            return PyBool_FromLong(!coroutine);
        }
        if (runner_execute(self, &task) < 0)
            return NULL;
    }
    Py_RETURN_FALSE;
}

static bool is_task(runner_object *self, PyObject *object) {
    if (Py_TYPE(object) == self->state->task_type && ((task_object *)object)->runner == (PyObject *)self)
        return true;
    PyErr_SetString(PyExc_TypeError, "a RunningTask of this runner is needed");
    return false;
}

// finish_value(task, value): a coroutine has returned.
static PyObject *runner_method_finish_value(runner_object *self, PyObject *args) {
    PyObject *task, *value;
    if (!PyArg_ParseTuple(args, "OO:finish_value", &task, &value) || !is_task(self, task))
        return NULL;
    self->coroutines -= self->coroutines > 0;
    return runner_finish_value(self, (task_object *)task, value) < 0 ? NULL : Py_NewRef(Py_None);
}

// finish_error(task, exception): a coroutine has raised.
static PyObject *runner_method_finish_error(runner_object *self, PyObject *args) {
    PyObject *task, *exception;
    if (!PyArg_ParseTuple(args, "OO:finish_error", &task, &exception) || !is_task(self, task))
        return NULL;
    self->coroutines -= self->coroutines > 0;
    PyObject *traceback = PyException_GetTraceback(exception);
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), Py_NewRef(exception), traceback);
    return runner_finish_exception(self, (task_object *)task) < 0 ? NULL : Py_NewRef(Py_None);
}

// steps(task, coroutine): what the event loop is given instead of the coroutine.
static PyObject *runner_steps(runner_object *self, PyObject *args) {
    PyObject *task, *coroutine;
    if (!PyArg_ParseTuple(args, "OO:steps", &task, &coroutine) || !is_task(self, task))
        return NULL;
    return core_steps_new(self, (task_object *)task, coroutine);
}

// wish(slot) -> 0, 1 cancel, 2 time limit
static PyObject *runner_wish(runner_object *self, PyObject *slot) {
    unsigned long number = PyLong_AsUnsignedLong(slot);
    if (number == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    if (self->runner == NULL || self->forked)
        return PyLong_FromLong(0);
    return PyLong_FromLong((long)fq_runner_wish(self->runner, (uint32_t)number));
}

static PyObject *runner_flush(runner_object *self, PyObject *seconds) {
    double limit = PyFloat_AsDouble(seconds);
    if ((limit == -1.0 && PyErr_Occurred()) || !is_open(self))
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    fq_runner_flush(self->runner, (int64_t)(limit * 1e3));
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static PyObject *runner_close(runner_object *self, PyObject *unused) {
    (void)unused;
    close_runner(self);
    Py_RETURN_NONE;
}

static PyObject *runner_forked(runner_object *self, PyObject *unused) {
    (void)unused;
    if (self->runner != NULL && !self->forked)
        fq_runner_forked(self->runner);
    if (!self->forked)
        core_telemetry_forked(self->state);
    self->forked = true;
    Py_RETURN_NONE;
}

static PyObject *runner_get_fd(runner_object *self, void *unused) {
    (void)unused;
    return is_open(self) ? PyLong_FromLong(fq_runner_fd(self->runner)) : NULL;
}

static PyObject *runner_get_should_exit(runner_object *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->runner == NULL || self->forked ||
                           (!self->has_held && fq_runner_should_exit(self->runner)));
}

static PyObject *runner_get_coroutines(runner_object *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(self->coroutines);
}

static PyObject *runner_get_config(runner_object *self, void *unused) {
    (void)unused;
    if (!is_open(self))
        return NULL;
    struct fq_runner_config config = fq_runner_config(self->runner);
    return Py_BuildValue("{szsIsO}", "worker_id", config.worker_id, "async_concurrency",
                         (unsigned)config.async_concurrency, "allow_pickle",
                         config.allow_pickle ? Py_True : Py_False);
}

// The slot of the function that runs now, or None.
static PyObject *runner_get_sync_slot(runner_object *self, void *unused) {
    (void)unused;
    return self->in_sync_task && !self->forked ? PyLong_FromUnsignedLong(self->sync_slot)
                                               : Py_NewRef(Py_None);
}

static PyMethodDef runner_methods[] = {
    {"bind",           METHOD(runner_bind),                METH_VARARGS | METH_KEYWORDS, "What the loop calls."             },
    {"set_defaults",   METHOD(runner_set_defaults),        METH_VARARGS,                 "What a definition declares."      },
    {"declare",        METHOD(runner_declare),             METH_O,                       "The names this process can run."  },
    {"declare_failed", METHOD(runner_declare_failed),      METH_O,                       "Loading failed."                  },
    {"run",            METHOD(runner_run),                 METH_NOARGS,                  "Functions, until it is to end."   },
    {"run_ready",      METHOD(runner_run_ready),           METH_O,                       "What is here, outside the loop."  },
    {"start_ready",    METHOD(runner_start_ready),         METH_NOARGS,                  "Coroutines, inside the loop."     },
    {"finish_value",   METHOD(runner_method_finish_value), METH_VARARGS,                 "A coroutine has returned."        },
    {"finish_error",   METHOD(runner_method_finish_error), METH_VARARGS,                 "A coroutine has raised."          },
    {"steps",          METHOD(runner_steps),               METH_VARARGS,                 "The coroutine for the event loop."},
    {"wish",           METHOD(runner_wish),                METH_O,                       "What is wanted of a slot."        },
    {"flush",          METHOD(runner_flush),               METH_O,                       "Write what is buffered."          },
    {"close",          METHOD(runner_close),               METH_NOARGS,                  "Send results, give tasks back."   },
    {"forked",         METHOD(runner_forked),              METH_NOARGS,                  "This process is a forked child."  },
    {NULL,             NULL,                               0,                            NULL                               },
};
static PyGetSetDef runner_properties[] = {
    {"fd",          (getter)runner_get_fd,          NULL, "Readable when there is something to do.", NULL},
    {"config",      (getter)runner_get_config,      NULL, "What the supervisor has told.",           NULL},
    {"should_exit", (getter)runner_get_should_exit, NULL, "End once the tasks are done.",            NULL},
    {"coroutines",  (getter)runner_get_coroutines,  NULL, "How many run.",                           NULL},
    {"sync_slot",   (getter)runner_get_sync_slot,   NULL, "Slot of the function that runs now.",     NULL},
    {NULL,          NULL,                           NULL, NULL,                                      NULL},
};
static PyType_Slot runner_slots[] = {
    {Py_tp_doc,      DOC("The process that runs user code.")},
    {Py_tp_new,      (void *)runner_new                     },
    {Py_tp_dealloc,  (void *)runner_dealloc                 },
    {Py_tp_traverse, (void *)runner_traverse                },
    {Py_tp_clear,    (void *)runner_clear                   },
    {Py_tp_methods,  runner_methods                         },
    {Py_tp_getset,   runner_properties                      },
    {0,              NULL                                   },
};
static PyType_Spec runner_spec = {
    .name = "fastqueue._core.Runner",
    .basicsize = sizeof(runner_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = runner_slots,
};

int core_runner_add(PyObject *module, struct core_state *state) {
    return core_add_type(module, &runner_spec, &state->runner_type);
}
