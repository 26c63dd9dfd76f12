// SPDX-License-Identifier: Apache-2.0
// What the files of the extension share: the state of the module, its types, conversions between FastQueue and Python.
// Limited API of 3.11 only. Every function needs the GIL unless it says otherwise.
#ifndef FQ_PYTHON_CORE_H
#define FQ_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "base/str.h"
#include "fastqueue/session.h"

// CPython declares what it never writes to as char * and void *.
#define KEYWORDS(names)  ((char **)(uintptr_t)(names))
#define DOC(text)        ((void *)(uintptr_t)(text))
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

// One per interpreter that imports the module.
struct core_state {
    PyTypeObject *session_type, *runner_type, *task_type, *steps_type;
    PyObject *error_factory; // callable(number, message) -> exception; NULL until fastqueue.errors has set it
};

struct core_state *core_state_of_type(PyTypeObject *type);

/** Raises the Python exception for a negative FQ_E… number; `message` NULL or empty: the table's sentence. Returns NULL. */
PyObject *core_raise(struct core_state *state, int error, const char *message);

/** Makes the types; 0 or -1 with an exception. */
int core_session_add(PyObject *module, struct core_state *state);
int core_runner_add(PyObject *module, struct core_state *state);
int core_task_add(PyObject *module, struct core_state *state);
int core_steps_add(PyObject *module, struct core_state *state);

/** New str; bytes that are not UTF-8 become a bytes object. */
PyObject *core_text(const char *ptr, size_t len);
/** A reply of the control plane as Python objects: None, str, bytes, int, float, bool, list, dict. */
PyObject *core_value(const struct fq_value *values, uint32_t at);
/** (type, tag, error, message, id, payload): what one event of a session means. */
PyObject *core_event(const struct fq_session_event *event);

// A growing byte buffer of plain memory.
struct core_bytes {
    char *ptr;
    size_t len, capacity;
};
/** 0, or -1 with MemoryError. */
int core_bytes_append(struct core_bytes *bytes, const void *data, size_t len);
void core_bytes_free(struct core_bytes *bytes);

/** Appends `value` as JSON. Only what JSON can hold: None, bool, int, finite float, str, list, tuple and dict with str
 *  keys, and their subclasses. 0, or -1 with EncodingError (or what a subclass raised) and `bytes` cut to what it was. */
int core_json_write(struct core_state *state, struct core_bytes *bytes, PyObject *value);
/** json_encode(value) -> bytes */
PyObject *core_json_encode(PyObject *module, PyObject *value);

#endif
