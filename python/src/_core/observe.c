// SPDX-License-Identifier: Apache-2.0
#include "observe.h"

#include <time.h>

enum { FORK_WAIT_MS = 250 };

static struct core_state *state_of(instrument_object *self) {
    return core_state_of_type(Py_TYPE((PyObject *)self));
}

// One Observation: .value and .attributes.
static void observe_one(struct core_state *state, otel_observer *observer, PyObject *observation) {
    PyObject *value = PyObject_GetAttrString(observation, "value");
    PyObject *mapping = value != NULL ? PyObject_GetAttrString(observation, "attributes") : NULL;
    struct core_attributes attributes;
    core_attributes_of(state, mapping, &attributes);
    if (value != NULL && PyLong_Check(value)) {
        long long number = PyLong_AsLongLong(value);
        if (!(number == -1 && PyErr_Occurred()))
            otel_observe_int(observer, number, attributes.items, attributes.count);
    } else if (value != NULL) {
        double number = PyFloat_AsDouble(value);
        if (!(number == -1.0 && PyErr_Occurred()))
            otel_observe(observer, number, attributes.items, attributes.count);
    }
    core_attributes_done(&attributes);
    Py_XDECREF(mapping);
    Py_XDECREF(value);
}

static void call_back(struct core_state *state, otel_observer *observer, PyObject *callback) {
    PyObject *name = PyUnicode_FromString("fastqueue.telemetry.meter"); // which has made the instrument
    PyObject *module = name != NULL ? PyImport_GetModule(name) : NULL;
    PyObject *rows = module != NULL ? PyObject_CallMethod(module, "observations", "O", callback) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(name);
    Py_ssize_t count = rows != NULL && PyTuple_Check(rows) ? PyTuple_Size(rows) : 0;
    for (Py_ssize_t i = 0; i < count; i++)
        observe_one(state, observer, PyTuple_GetItem(rows, i));
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(callback); // the callback's own fault
    Py_XDECREF(rows);
}

void core_observe(otel_observer *observer, void *context) {
    instrument_object *self = context;
    if (!Py_IsInitialized())
        return;
    struct core_telemetry *telemetry = &state_of(self)->telemetry;
    __atomic_add_fetch(&telemetry->observing, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&telemetry->is_forking, __ATOMIC_SEQ_CST)) {
        PyGILState_STATE gil = PyGILState_Ensure();
        PyObject *callbacks = self->callbacks != NULL ? PySequence_Tuple(self->callbacks) : NULL;
        Py_ssize_t count = callbacks != NULL ? PyTuple_Size(callbacks) : 0;
        for (Py_ssize_t i = 0; i < count; i++)
            call_back(state_of(self), observer, PyTuple_GetItem(callbacks, i));
        Py_XDECREF(callbacks);
        PyErr_Clear();
        PyGILState_Release(gil);
    }
    __atomic_sub_fetch(&telemetry->observing, 1, __ATOMIC_SEQ_CST);
}

PyObject *core_observe_stop(PyObject *module, PyObject *unused) {
    (void)unused;
    struct core_telemetry *telemetry = &((struct core_state *)PyModule_GetState(module))->telemetry;
    __atomic_store_n(&telemetry->is_forking, true, __ATOMIC_SEQ_CST);
    Py_BEGIN_ALLOW_THREADS;
    // A callback may wait for a lock that this thread holds: then the fork goes on without it.
    for (int ms = 0; ms < FORK_WAIT_MS && __atomic_load_n(&telemetry->observing, __ATOMIC_SEQ_CST) > 0; ms++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

PyObject *core_observe_go(PyObject *module, PyObject *unused) {
    (void)unused;
    struct core_telemetry *telemetry = &((struct core_state *)PyModule_GetState(module))->telemetry;
    __atomic_store_n(&telemetry->is_forking, false, __ATOMIC_SEQ_CST);
    Py_RETURN_NONE;
}
