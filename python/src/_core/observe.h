// SPDX-License-Identifier: Apache-2.0
// Callbacks of observable instruments: Python code that the collector's thread calls.
#ifndef FQ_PYTHON_OBSERVE_H
#define FQ_PYTHON_OBSERVE_H

#include "telemetry.h"

typedef struct instrument_object {
    PyObject_HEAD PyObject *scope; // of its meter
    PyObject *name, *unit, *description;
    PyObject *bounds;    // NULL = the default ones
    PyObject *callbacks; // of observable kinds: a sequence of callables; else NULL
    otel_instrument *instrument;
    unsigned generation; // of the SDK that `instrument` belongs to
    enum otel_instrument_kind kind;
    bool is_integer;
} instrument_object;

/** The instrument of the SDK that works now; NULL if there is none. */
otel_instrument *core_instrument_of(struct core_state *state, instrument_object *self);
/** For the collector: takes the GIL, calls the callbacks. `context` is the instrument_object. */
void core_observe(otel_observer *observer, void *context);

/** Around a fork: the thread that forks holds the GIL, so no collector may wait for it meanwhile. */
PyObject *core_observe_stop(PyObject *module, PyObject *unused);
PyObject *core_observe_go(PyObject *module, PyObject *unused);

#endif
