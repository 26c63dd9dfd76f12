// SPDX-License-Identifier: Apache-2.0
// Strict JSON: what cannot be said in JSON is refused, never turned into something else. The standard library's encoder
// makes strings of numeric keys and writes NaN; both would change a value's type behind its owner's back.
#include "core.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct json_writer {
    struct core_state *state;
    struct core_bytes *bytes;
};

static int write_value(struct json_writer *writer, PyObject *value);

static int write_raw(struct json_writer *writer, const char *text, size_t len) {
    return core_bytes_append(writer->bytes, text, len);
}

static int refuse(struct json_writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct json_writer *writer, const char *format, ...) {
    char message[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    core_raise(writer->state, FQ_EENCODING, message);
    return -1;
}

// "module.Type" of `value` as a sentence's subject; the buffer's caller keeps it.
static const char *type_name(PyObject *value, char *text, size_t size) {
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(value), "__qualname__");
    const char *utf8 = name != NULL ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    (void)snprintf(text, size, "%s", utf8 != NULL ? utf8 : "object");
    PyErr_Clear();
    Py_XDECREF(name);
    return text;
}

static int write_escape(struct json_writer *writer, unsigned char c) {
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    switch (c) {
    case '"': return write_raw(writer, "\\\"", 2);
    case '\\': return write_raw(writer, "\\\\", 2);
    case '\n': return write_raw(writer, "\\n", 2);
    case '\r': return write_raw(writer, "\\r", 2);
    case '\t': return write_raw(writer, "\\t", 2);
    default: return write_raw(writer, text, sizeof text);
    }
}

static int write_string(struct json_writer *writer, PyObject *value) {
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(value, &len);
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            return -1;
        PyErr_Clear();
        return refuse(writer, "a str with a lone surrogate cannot be sent: it is no valid Unicode text");
    }
    if (write_raw(writer, "\"", 1) < 0)
        return -1;
    Py_ssize_t start = 0;
    for (Py_ssize_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        if (write_raw(writer, text + start, (size_t)(i - start)) < 0 || write_escape(writer, c) < 0)
            return -1;
        start = i + 1;
    }
    return write_raw(writer, text + start, (size_t)(len - start)) < 0 ? -1 : write_raw(writer, "\"", 1);
}

// Subclasses (IntEnum, numpy's none) may print themselves differently: the number is asked of int itself.
static int write_long(struct json_writer *writer, PyObject *value) {
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (number == -1 && !overflow && PyErr_Occurred())
        return -1;
    if (!overflow) {
        char text[32];
        int len = snprintf(text, sizeof text, "%lld", number);
        return write_raw(writer, text, (size_t)len);
    }
    PyObject *digits = PyNumber_ToBase(value, 10);
    if (digits == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        return refuse(writer, "an int has more digits than Python prints (sys.set_int_max_str_digits)");
    }
    Py_ssize_t len;
    const char *text = digits != NULL ? PyUnicode_AsUTF8AndSize(digits, &len) : NULL;
    int error = text != NULL ? write_raw(writer, text, (size_t)len) : -1;
    Py_XDECREF(digits);
    return error;
}

static int write_float(struct json_writer *writer, PyObject *value) {
    double number = PyFloat_AsDouble(value);
    if (!isfinite(number))
        return refuse(writer, "%s is not a JSON number",
                      isnan(number)  ? "NaN"
                      : number > 0.0 ? "infinity"
                                     : "-infinity");
    char *text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL)
        return -1;
    int error = write_raw(writer, text, strlen(text));
    PyMem_Free(text);
    return error;
}

static int write_sequence(struct json_writer *writer, PyObject *value) {
    bool is_list = PyList_Check(value);
    if (write_raw(writer, "[", 1) < 0)
        return -1;
    // The size is asked each time: code of a subclass of the items may run between.
    for (Py_ssize_t i = 0; i < (is_list ? PyList_Size(value) : PyTuple_Size(value)); i++) {
        PyObject *item = is_list ? PyList_GetItem(value, i) : PyTuple_GetItem(value, i);
        if (item == NULL || (i > 0 && write_raw(writer, ",", 1) < 0))
            return -1;
        Py_INCREF(item);
        int error = write_value(writer, item);
        Py_DECREF(item);
        if (error < 0)
            return -1;
    }
    return write_raw(writer, "]", 1);
}

static int write_dict(struct json_writer *writer, PyObject *value) {
    PyObject *key, *item;
    Py_ssize_t at = 0;
    bool first = true;
    if (write_raw(writer, "{", 1) < 0)
        return -1;
    while (PyDict_Next(value, &at, &key, &item)) {
        if (!PyUnicode_Check(key)) {
            char name[100];
            return refuse(writer, "a dict key of type %s cannot be sent as JSON, which knows str keys only",
                          type_name(key, name, sizeof name));
        }
        if (!first && write_raw(writer, ",", 1) < 0)
            return -1;
        first = false;
        if (write_string(writer, key) < 0 || write_raw(writer, ":", 1) < 0 || write_value(writer, item) < 0)
            return -1;
    }
    return write_raw(writer, "}", 1);
}

static int write_container(struct json_writer *writer, PyObject *value) {
    if (Py_EnterRecursiveCall(" while encoding as JSON"))
        return -1;
    int error = PyDict_Check(value) ? write_dict(writer, value) : write_sequence(writer, value);
    Py_LeaveRecursiveCall();
    return error;
}

static int write_value(struct json_writer *writer, PyObject *value) {
    if (PyUnicode_Check(value))
        return write_string(writer, value);
    if (value == Py_None)
        return write_raw(writer, "null", 4);
    if (value == Py_True)
        return write_raw(writer, "true", 4);
    if (value == Py_False)
        return write_raw(writer, "false", 5);
    if (PyLong_Check(value))
        return write_long(writer, value);
    if (PyFloat_Check(value))
        return write_float(writer, value);
    if (PyDict_Check(value) || PyList_Check(value) || PyTuple_Check(value))
        return write_container(writer, value);
    char name[100];
    return refuse(writer,
                  "a value of type %s cannot be sent as JSON; convert it to str, int, float, list or dict",
                  type_name(value, name, sizeof name));
}

int core_json_write(struct core_state *state, struct core_bytes *bytes, PyObject *value) {
    struct json_writer writer = {.state = state, .bytes = bytes};
    size_t before = bytes->len;
    if (write_value(&writer, value) == 0)
        return 0;
    bytes->len = before;
    if (PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        return refuse(&writer, "the value is nested too deeply, or contains itself");
    }
    return -1;
}

PyObject *core_json_encode(PyObject *module, PyObject *value) {
    struct core_bytes bytes = {0};
    PyObject *encoded = NULL;
    if (core_json_write(PyModule_GetState(module), &bytes, value) == 0)
        encoded = PyBytes_FromStringAndSize(bytes.ptr, (Py_ssize_t)bytes.len);
    core_bytes_free(&bytes);
    return encoded;
}
