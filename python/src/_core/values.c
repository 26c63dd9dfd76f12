// SPDX-License-Identifier: Apache-2.0
// Replies, results and events of a session as Python objects.
#include "core.h"

PyObject *core_text(const char *ptr, size_t len) {
    PyObject *text = PyUnicode_DecodeUTF8(ptr != NULL ? ptr : "", (Py_ssize_t)len, NULL);
    if (text != NULL || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
        return text;
    PyErr_Clear();
    return PyBytes_FromStringAndSize(ptr, (Py_ssize_t)len);
}

static PyObject *text_of(fq_slice slice) {
    return core_text(slice.ptr, slice.len);
}

// Children of values[at] one after another: `next` of each is the next sibling.
static PyObject *list_of(const struct fq_value *values, uint32_t at) {
    PyObject *list = PyList_New((Py_ssize_t)values[at].child_count);
    uint32_t child = at + 1;
    for (uint32_t i = 0; list != NULL && i < values[at].child_count; i++, child = values[child].next) {
        PyObject *item = core_value(values, child);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)i, item) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *dict_of(const struct fq_value *values, uint32_t at) {
    PyObject *dict = PyDict_New();
    uint32_t child = at + 1;
    for (uint32_t i = 0; dict != NULL && i + 1 < values[at].child_count; i += 2) {
        PyObject *key = core_value(values, child);
        child = values[child].next;
        PyObject *value = key != NULL ? core_value(values, child) : NULL;
        child = values[child].next;
        if (value == NULL || PyDict_SetItem(dict, key, value) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}

PyObject *core_value(const struct fq_value *values, uint32_t at) {
    if (Py_EnterRecursiveCall(" in a reply of the control plane"))
        return NULL;
    PyObject *object = NULL;
    switch (values[at].type) {
    case FQ_VALUE_NIL: object = Py_NewRef(Py_None); break;
    case FQ_VALUE_TEXT:
    case FQ_VALUE_ERROR: object = text_of(values[at].text); break;
    case FQ_VALUE_INTEGER: object = PyLong_FromLongLong(values[at].integer); break;
    case FQ_VALUE_DOUBLE: object = PyFloat_FromDouble(values[at].real); break;
    case FQ_VALUE_BOOLEAN: object = PyBool_FromLong(values[at].integer != 0); break;
    case FQ_VALUE_ARRAY: object = list_of(values, at); break;
    case FQ_VALUE_MAP: object = dict_of(values, at); break;
    }
    Py_LeaveRecursiveCall();
    return object;
}

// dict[key] = value, taking the reference; -1 with an exception.
static int put(PyObject *dict, const char *key, PyObject *value) {
    int error = value != NULL ? PyDict_SetItemString(dict, key, value) : -1;
    Py_XDECREF(value);
    return error;
}

// Text for people: what is not UTF-8 in it is replaced.
static int put_text(PyObject *dict, const char *key, fq_slice text) {
    if (text.len == 0)
        return 0;
    return put(dict, key, PyUnicode_DecodeUTF8(text.ptr, (Py_ssize_t)text.len, "replace"));
}

static int put_time(PyObject *dict, const char *key, int64_t unix_ms) {
    return unix_ms != 0 ? put(dict, key, PyLong_FromLongLong(unix_ms)) : 0;
}

// A task's fields under the keys of the FQ.RESULT map; unknown ones are absent, `result` is bytes.
static PyObject *result_of(const struct fq_task_result *result) {
    PyObject *dict = PyDict_New();
    if (dict == NULL)
        return NULL;
    int error = put(dict, "id", PyUnicode_FromString(result->id));
    error |= put_text(dict, "name", result->name);
    error |= put_text(dict, "status", result->status);
    error |= put_text(dict, "priority", result->priority);
    error |= put_text(dict, "worker", result->worker);
    error |= put(dict, "attempt", PyLong_FromUnsignedLong(result->attempt));
    error |= put_time(dict, "submitted_at", result->submitted_at);
    error |= put_time(dict, "started_at", result->started_at);
    error |= put_time(dict, "completed_at", result->completed_at);
    if (result->has_result)
        error |= put(dict, "result",
                     PyBytes_FromStringAndSize(result->result.ptr, (Py_ssize_t)result->result.len));
    error |= put_text(dict, "encoding", result->encoding);
    error |= put_text(dict, "error_type", result->error_type);
    error |= put_text(dict, "error_message", result->error_message);
    error |= put_text(dict, "error_stack", result->error_stack);
    if (error < 0)
        Py_CLEAR(dict);
    return dict;
}

PyObject *core_event(const struct fq_session_event *event) {
    PyObject *payload;
    if (event->type == FQ_SESSION_RESULT && event->error == 0)
        payload = result_of(&event->result);
    else if (event->type == FQ_SESSION_REPLY && event->error == 0 && event->values != NULL)
        payload = core_value(event->values, 0);
    else
        payload = Py_NewRef(Py_None);
    PyObject *message = payload != NULL ? text_of(event->message) : NULL;
    if (message == NULL) {
        Py_XDECREF(payload);
        return NULL;
    }
    return Py_BuildValue("(iKiNsN)", (int)event->type, (unsigned long long)event->tag, event->error, message,
                         event->id, payload);
}

int core_bytes_append(struct core_bytes *bytes, const void *data, size_t len) {
    if (len > bytes->capacity - bytes->len) {
        size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
        while (capacity - bytes->len < len) {
            if (capacity > (size_t)PY_SSIZE_T_MAX / 2) {
                PyErr_NoMemory();
                return -1;
            }
            capacity *= 2;
        }
        char *grown = PyMem_Realloc(bytes->ptr, capacity);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        bytes->ptr = grown;
        bytes->capacity = capacity;
    }
    memcpy(bytes->ptr + bytes->len, data, len);
    bytes->len += len;
    return 0;
}

void core_bytes_free(struct core_bytes *bytes) {
    PyMem_Free(bytes->ptr);
    *bytes = (struct core_bytes){0};
}
