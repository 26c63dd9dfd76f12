// SPDX-License-Identifier: Apache-2.0
// Steps: a coroutine around a coroutine. Each time the event loop resumes it, the board is told whose code is on the
// processor, so that a task that blocks the loop is the one that pays for it.
#include "runner.h"

typedef struct steps_object {
    PyObject_HEAD PyObject *runner; // the runner_object
    PyObject *coroutine;
    uint32_t slot;
} steps_object;

PyObject *core_steps_new(runner_object *runner, task_object *task, PyObject *coroutine) {
    PyTypeObject *type = runner->state->steps_type;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    steps_object *self = (steps_object *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->runner = Py_NewRef((PyObject *)runner);
    self->coroutine = Py_NewRef(coroutine);
    self->slot = task->slot;
    return (PyObject *)self;
}

static void on_cpu(const steps_object *self, uint32_t slot) {
    runner_object *runner = (runner_object *)self->runner;
    if (runner->runner != NULL && !runner->forked)
        fq_runner_on_cpu(runner->runner, slot);
}

static PySendResult steps_resume(steps_object *self, PyObject *value, PyObject **ret_value) {
    on_cpu(self, self->slot);
    PySendResult state = PyIter_Send(self->coroutine, value, ret_value);
    on_cpu(self, FQ_RUNNER_NO_SLOT);
    return state;
}

// What a resumed coroutine gave, in the form of a method: its value, or StopIteration with it.
static PyObject *given(PySendResult state, PyObject *value) {
    if (state != PYGEN_RETURN)
        return value;
    PyObject *stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, value, NULL);
    if (stop != NULL)
        PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    Py_XDECREF(value);
    return NULL;
}

static PyObject *steps_send(steps_object *self, PyObject *value) {
    PyObject *result = NULL;
    PySendResult state = steps_resume(self, value, &result);
    return given(state, result);
}

static PyObject *steps_next(steps_object *self) {
    return steps_send(self, Py_None);
}

static PyObject *steps_throw(steps_object *self, PyObject *args) {
    PyObject *method = PyObject_GetAttrString(self->coroutine, "throw");
    if (method == NULL)
        return NULL;
    on_cpu(self, self->slot);
    PyObject *result = PyObject_Call(method, args, NULL);
    on_cpu(self, FQ_RUNNER_NO_SLOT);
    Py_DECREF(method);
    return result;
}

static PyObject *steps_close(steps_object *self, PyObject *unused) {
    (void)unused;
    return PyObject_CallMethod(self->coroutine, "close", NULL);
}

static PyObject *steps_self(steps_object *self) {
    return Py_NewRef((PyObject *)self);
}

static PyObject *steps_get_name(steps_object *self, void *name) {
    return PyObject_GetAttrString(self->coroutine, name);
}

static int steps_traverse(steps_object *self, visitproc visit, void *arg) {
    Py_VISIT((PyObject *)Py_TYPE((PyObject *)self));
    Py_VISIT(self->runner);
    Py_VISIT(self->coroutine);
    return 0;
}

static int steps_clear(steps_object *self) {
    Py_CLEAR(self->runner);
    Py_CLEAR(self->coroutine);
    return 0;
}

static void steps_dealloc(steps_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    (void)steps_clear(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef steps_methods[] = {
    {"send",  METHOD(steps_send),  METH_O,       "Resumes it."               },
    {"throw", METHOD(steps_throw), METH_VARARGS, "Raises an exception in it."},
    {"close", METHOD(steps_close), METH_NOARGS,  "Ends it."                  },
    {NULL,    NULL,                0,            NULL                        },
};
static PyGetSetDef steps_properties[] = {
    {"__name__",     (getter)steps_get_name, NULL, NULL, (void *)(uintptr_t) "__name__"    },
    {"__qualname__", (getter)steps_get_name, NULL, NULL, (void *)(uintptr_t) "__qualname__"},
    {"cr_code",      (getter)steps_get_name, NULL, NULL, (void *)(uintptr_t) "cr_code"     },
    {"cr_frame",     (getter)steps_get_name, NULL, NULL, (void *)(uintptr_t) "cr_frame"    },
    {"cr_running",   (getter)steps_get_name, NULL, NULL, (void *)(uintptr_t) "cr_running"  },
    {"cr_await",     (getter)steps_get_name, NULL, NULL, (void *)(uintptr_t) "cr_await"    },
    {NULL,           NULL,                   NULL, NULL, NULL                              },
};
static PyType_Slot steps_slots[] = {
    {Py_tp_doc,      DOC("The coroutine of a task.")},
    {Py_tp_dealloc,  (void *)steps_dealloc          },
    {Py_tp_traverse, (void *)steps_traverse         },
    {Py_tp_clear,    (void *)steps_clear            },
    {Py_am_await,    (void *)steps_self             },
    {Py_am_send,     (void *)steps_resume           },
    {Py_tp_iter,     (void *)steps_self             },
    {Py_tp_iternext, (void *)steps_next             },
    {Py_tp_methods,  steps_methods                  },
    {Py_tp_getset,   steps_properties               },
    {0,              NULL                           },
};
static PyType_Spec steps_spec = {
    .name = "fastqueue._core.Steps",
    .basicsize = sizeof(steps_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = steps_slots,
};

int core_steps_add(PyObject *module, struct core_state *state) {
    return core_add_type(module, &steps_spec, &state->steps_type);
}
