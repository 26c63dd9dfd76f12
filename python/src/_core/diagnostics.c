// SPDX-License-Identifier: Apache-2.0
#include "diagnostics.h"
#include "core.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 32, LINE_SIZE = 512 };

struct core_diagnostics {
    atomic_flag lock; // held for a copy of one line; who finds it taken drops his line
    bool is_pending;
    unsigned count;
    fq_log log;
    struct {
        enum fq_log_level level;
        char text[LINE_SIZE];
    } lines[LINES_MAX];
};

// In the main thread, with the GIL.
static int deliver(void *context) {
    struct core_diagnostics *diagnostics = context;
    for (;;) {
        char text[LINE_SIZE];
        enum fq_log_level level = FQ_LOG_INFO;
        while (atomic_flag_test_and_set(&diagnostics->lock))
            ; // a writer copies one line
        bool has_line = diagnostics->count > 0;
        if (has_line) {
            level = diagnostics->lines[0].level;
            memcpy(text, diagnostics->lines[0].text, sizeof text);
            diagnostics->count--;
            memmove(&diagnostics->lines[0], &diagnostics->lines[1],
                    diagnostics->count * sizeof diagnostics->lines[0]);
        } else {
            diagnostics->is_pending = false;
        }
        atomic_flag_clear(&diagnostics->lock);
        if (!has_line)
            return 0;
        PyObject *module = PyImport_ImportModule("fastqueue.telemetry.lifecycle");
        PyObject *line =
            module != NULL ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace") : NULL;
        PyObject *result =
            line != NULL ? PyObject_CallMethod(module, "report", "iO", (int)level, line) : NULL;
        if (result == NULL)
            PyErr_WriteUnraisable(module);
        Py_XDECREF(result);
        Py_XDECREF(line);
        Py_XDECREF(module);
    }
}

// Any thread, without the GIL.
static void take_line(void *context, enum fq_log_level level, const char *text) {
    struct core_diagnostics *diagnostics = context;
    bool should_call = false;
    if (diagnostics == NULL || atomic_flag_test_and_set(&diagnostics->lock))
        return;
    if (diagnostics->count < LINES_MAX) {
        diagnostics->lines[diagnostics->count].level = level;
        (void)snprintf(diagnostics->lines[diagnostics->count].text, LINE_SIZE, "%s", text);
        diagnostics->count++;
        should_call = !diagnostics->is_pending;
        diagnostics->is_pending = true;
    }
    atomic_flag_clear(&diagnostics->lock);
    if (should_call && Py_AddPendingCall(deliver, diagnostics) < 0)
        diagnostics->is_pending = false; // the next line tries again
}

struct core_diagnostics *core_diagnostics_new(void) {
    struct core_diagnostics *diagnostics = calloc(1, sizeof *diagnostics);
    if (diagnostics != NULL)
        diagnostics->log = core_diagnostics_log(diagnostics);
    return diagnostics;
}

fq_log core_diagnostics_log(struct core_diagnostics *diagnostics) {
    return (fq_log){FQ_LOG_DEBUG, take_line, diagnostics};
}

const fq_log *core_diagnostics_lasting_log(struct core_diagnostics *diagnostics) {
    return diagnostics != NULL ? &diagnostics->log : NULL;
}

void core_diagnostics_forked(struct core_diagnostics *diagnostics) {
    if (diagnostics == NULL)
        return;
    atomic_flag_clear(&diagnostics->lock);
    diagnostics->is_pending = false;
}
