// SPDX-License-Identifier: Apache-2.0
// What operation.c and tracer.c share: the block of code in a span of its own.
#ifndef FQ_PYTHON_OPERATION_H
#define FQ_PYTHON_OPERATION_H

#include "telemetry.h"

typedef struct operation_object {
    PyObject_HEAD PyObject *name, *attributes, *links, *context, *scope; // NULL = none
    span_object *span;
    struct core_entered entered;
    PyObject *delegate;  // context manager of the program's own provider, when that is in charge
    PyObject *answer;    // what awaiting gives
    otel_tracer *tracer; // NULL = FastQueue's own
    int64_t start_unix_ns;
    enum otel_span_kind kind;
    bool records_exception, sets_status, ends_on_exit;
    bool is_inside;
    bool is_ours; // made by trace_operation: yields None when telemetry is off
} operation_object;

/** A new one, with all defaults. NULL with an exception when out of memory. */
operation_object *core_operation_new(struct core_state *state, PyObject *name, PyObject *attributes);

int core_tracer_add(PyObject *module, struct core_state *state);

#endif
