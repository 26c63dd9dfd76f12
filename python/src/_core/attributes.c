// SPDX-License-Identifier: Apache-2.0
// Python values as attributes of the SDK. Text is borrowed from the str objects, which cache their UTF-8; everything lives
// until core_attributes_done. What cannot be an attribute is left out: telemetry never fails a program.
#include "telemetry.h"

enum { DEPTH_MAX = 8, ITEMS_MAX = 100000 };

// Memory of arrays and maps.
struct core_chunk {
    struct core_chunk *next;
    struct otel_attribute items[];
};

static void *chunk_new(struct core_attributes *attributes, size_t size) {
    struct core_chunk *chunk = PyMem_Malloc(sizeof *chunk + size);
    if (chunk == NULL)
        return NULL;
    chunk->next = attributes->chunks;
    attributes->chunks = chunk;
    return chunk->items;
}

// Keeps an object alive; false when out of memory.
static bool keep(struct core_attributes *attributes, PyObject *object) {
    if (attributes->kept == NULL)
        attributes->kept = PyList_New(0);
    return attributes->kept != NULL && PyList_Append(attributes->kept, object) == 0;
}

const char *core_attribute_text(struct core_attributes *attributes, PyObject *text, size_t *ret_len) {
    Py_ssize_t len = 0;
    const char *utf8 = PyUnicode_AsUTF8AndSize(text, &len);
    if (utf8 == NULL) { // lone surrogates: the SDK repairs what is no UTF-8
        PyErr_Clear();
        PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
        char *ptr = NULL;
        if (bytes != NULL && keep(attributes, bytes) && PyBytes_AsStringAndSize(bytes, &ptr, &len) == 0)
            utf8 = ptr;
        Py_XDECREF(bytes);
        PyErr_Clear();
    }
    *ret_len = utf8 != NULL ? (size_t)len : 0;
    return utf8;
}

static struct otel_value value_of(struct core_attributes *attributes, PyObject *value, int depth);

static struct otel_value empty_value(void) {
    return (struct otel_value){.type = OTEL_VALUE_EMPTY};
}

static struct otel_value number_value(struct core_attributes *attributes, PyObject *number) {
    int overflow = 0;
    long long integer = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow == 0 && !(integer == -1 && PyErr_Occurred()))
        return (struct otel_value){.type = OTEL_VALUE_INT, .as.integer = integer};
    PyErr_Clear();
    PyObject *text = PyObject_Str(number); // more than 64 bits: as text
    struct otel_value value = empty_value();
    if (text != NULL && keep(attributes, text)) {
        size_t len;
        const char *utf8 = core_attribute_text(attributes, text, &len);
        value = otel_value_string(utf8, len);
    }
    Py_XDECREF(text);
    PyErr_Clear();
    return value;
}

static struct otel_value sequence_value(struct core_attributes *attributes, PyObject *sequence, int depth) {
    PyObject *tuple = PySequence_Tuple(sequence); // what is borrowed from cannot change
    bool is_kept = tuple != NULL && keep(attributes, tuple);
    Py_XDECREF(tuple);
    Py_ssize_t count = is_kept ? PyTuple_Size(tuple) : 0;
    if (count > ITEMS_MAX)
        count = ITEMS_MAX;
    struct otel_value *items = is_kept ? chunk_new(attributes, sizeof *items * (size_t)count + 1) : NULL;
    if (items == NULL)
        return empty_value();
    for (Py_ssize_t i = 0; i < count; i++)
        items[i] = value_of(attributes, PyTuple_GetItem(tuple, i), depth + 1);
    return (struct otel_value){
        .type = OTEL_VALUE_ARRAY, .as.array.items = items, .as.array.count = (size_t)count};
}

static struct otel_value map_value(struct core_attributes *attributes, PyObject *map, int depth) {
    PyObject *copy = PyDict_Copy(map);
    bool is_kept = copy != NULL && keep(attributes, copy);
    Py_XDECREF(copy);
    Py_ssize_t size = is_kept ? PyDict_Size(copy) : 0, at = 0;
    struct otel_attribute *items = is_kept ? chunk_new(attributes, sizeof *items * (size_t)size + 1) : NULL;
    if (items == NULL)
        return empty_value();
    size_t count = 0, len;
    PyObject *key, *value;
    while ((Py_ssize_t)count < size && PyDict_Next(copy, &at, &key, &value)) {
        const char *text = PyUnicode_Check(key) ? core_attribute_text(attributes, key, &len) : NULL;
        if (text != NULL)
            items[count++] = (struct otel_attribute){text, value_of(attributes, value, depth + 1)};
    }
    return (struct otel_value){.type = OTEL_VALUE_MAP, .as.map.items = items, .as.map.count = count};
}

// Numbers of other libraries: whatever knows to be an int or a float.
static struct otel_value foreign_value(struct core_attributes *attributes, PyObject *value) {
    struct otel_value taken = empty_value();
    PyObject *number = PyIndex_Check(value) ? PyNumber_Index(value) : NULL;
    if (number != NULL) {
        if (keep(attributes, number))
            taken = number_value(attributes, number);
        Py_DECREF(number);
    }
    PyErr_Clear();
    return taken;
}

static struct otel_value value_of(struct core_attributes *attributes, PyObject *value, int depth) {
    if (PyUnicode_Check(value)) {
        size_t len;
        const char *text = core_attribute_text(attributes, value, &len);
        return text != NULL ? otel_value_string(text, len) : empty_value();
    }
    if (PyBool_Check(value))
        return (struct otel_value){.type = OTEL_VALUE_BOOL, .as.boolean = value == Py_True};
    if (PyLong_Check(value))
        return number_value(attributes, value);
    if (PyFloat_Check(value))
        return (struct otel_value){.type = OTEL_VALUE_DOUBLE, .as.real = PyFloat_AsDouble(value)};
    if (PyBytes_Check(value)) {
        char *ptr = NULL;
        Py_ssize_t len = 0;
        (void)PyBytes_AsStringAndSize(value, &ptr, &len);
        struct otel_value bytes = otel_value_string(ptr, (size_t)len);
        bytes.type = OTEL_VALUE_BYTES;
        return bytes;
    }
    if (depth < DEPTH_MAX && (PyList_Check(value) || PyTuple_Check(value)))
        return sequence_value(attributes, value, depth);
    if (depth < DEPTH_MAX && PyDict_Check(value))
        return map_value(attributes, value, depth);
    return value == Py_None ? empty_value() : foreign_value(attributes, value);
}

struct otel_value core_attribute_value(struct core_state *state, struct core_attributes *attributes,
                                       PyObject *value) {
    (void)state;
    return value_of(attributes, value, 0);
}

void core_attributes_push(struct core_attributes *attributes, struct otel_attribute attribute) {
    if (attribute.value.type == OTEL_VALUE_EMPTY || attribute.key == NULL)
        return;
    if (attributes->count == attributes->capacity) {
        size_t capacity = attributes->capacity * 2;
        struct otel_attribute *room = chunk_new(attributes, capacity * sizeof *room);
        if (room == NULL)
            return;
        memcpy(room, attributes->room, attributes->count * sizeof *room);
        attributes->items = attributes->room = room;
        attributes->capacity = capacity;
    }
    attributes->room[attributes->count++] = attribute;
}

// True for values whose conversion runs no code of the user's.
static bool is_plain(PyObject *value) {
    return PyUnicode_Check(value) || PyLong_Check(value) || PyFloat_Check(value) || PyBytes_Check(value) ||
           value == Py_None;
}

static void take(struct core_attributes *attributes, PyObject *mapping, bool is_own) {
    Py_ssize_t at = 0;
    PyObject *key, *value;
    size_t len;
    while (PyDict_Next(mapping, &at, &key, &value)) {
        if (!is_own && !is_plain(value)) {
            // Foreign code may run: it must not change what is walked and borrowed from.
            PyObject *copy = PyDict_Copy(mapping);
            attributes->count = 0;
            if (copy != NULL && keep(attributes, copy))
                take(attributes, copy, true);
            Py_XDECREF(copy);
            return;
        }
        const char *text = PyUnicode_Check(key) ? core_attribute_text(attributes, key, &len) : NULL;
        if (text != NULL)
            core_attributes_push(attributes, (struct otel_attribute){text, value_of(attributes, value, 0)});
    }
}

void core_attributes_of(struct core_state *state, PyObject *mapping, struct core_attributes *ret_attributes) {
    (void)state;
    ret_attributes->items = ret_attributes->room = ret_attributes->few;
    ret_attributes->count = 0;
    ret_attributes->capacity = sizeof ret_attributes->few / sizeof *ret_attributes->few;
    ret_attributes->kept = NULL;
    ret_attributes->chunks = NULL;
    if (mapping == NULL || mapping == Py_None)
        return;
    if (PyDict_Check(mapping)) {
        take(ret_attributes, mapping, false);
    } else {
        PyObject *copy = PyDict_New();
        if (copy != NULL && PyDict_Update(copy, mapping) == 0 && keep(ret_attributes, copy))
            take(ret_attributes, copy, true);
        Py_XDECREF(copy);
    }
    PyErr_Clear();
}

void core_attributes_done(struct core_attributes *attributes) {
    Py_CLEAR(attributes->kept);
    while (attributes->chunks != NULL) {
        struct core_chunk *chunk = attributes->chunks;
        attributes->chunks = chunk->next;
        PyMem_Free(chunk);
    }
}
