// SPDX-License-Identifier: Apache-2.0
// Session: fq_session for Python's drivers. It owns no socket and reads no clock; `now` is seconds of time.monotonic().
#include "core.h"

#include <math.h>
#include <time.h>

typedef struct session_object {
    PyObject_HEAD fq_session *session;
} session_object;

// What is no time, or a negative one, is 0; far future times stay apart from INT64_MAX by enough to be counted with.
static int64_t microseconds(double seconds) {
    if (!(seconds > 0))
        return 0;
    return seconds >= 4e12 ? INT64_C(4000000000000000000) : (int64_t)(seconds * 1e6);
}

static struct core_state *state_of(session_object *self) {
    return core_state_of_type(Py_TYPE((PyObject *)self));
}

static PyObject *raise_session_error(session_object *self, int error) {
    return core_raise(state_of(self), error, fq_session_error(self->session));
}

// Unix time minus time.monotonic(), so that ids made here are ordered by time.
static int64_t wall_offset_us(void) {
    struct timespec wall, monotonic;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    (void)clock_gettime(CLOCK_MONOTONIC, &monotonic);
    return (int64_t)(wall.tv_sec - monotonic.tv_sec) * 1000000 + (wall.tv_nsec - monotonic.tv_nsec) / 1000;
}

static PyObject *session_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"user",          "token",         "client_name",
                                        "reply_timeout", "ping_interval", NULL};
    struct fq_session_options options;
    fq_session_options_init(&options);
    double reply_timeout = (double)options.reply_timeout_us / 1e6;
    double ping_interval = (double)options.ping_interval_us / 1e6;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$zzzdd:Session", KEYWORDS(names), &options.user,
                                     &options.token, &options.client_name, &reply_timeout, &ping_interval))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    session_object *self = (session_object *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    options.reply_timeout_us = microseconds(reply_timeout);
    options.ping_interval_us = microseconds(ping_interval);
    options.wall_offset_us = wall_offset_us();
    self->session = fq_session_new(&options);
    if (self->session == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void session_dealloc(session_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    self->session = fq_session_free(self->session);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static int get_now(PyObject *now, int64_t *ret_now) {
    double seconds = PyFloat_AsDouble(now);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    *ret_now = microseconds(seconds);
    return 0;
}

static PyObject *session_connected(session_object *self, PyObject *now) {
    int64_t now_us;
    if (get_now(now, &now_us) < 0)
        return NULL;
    int error = fq_session_connected(self->session, now_us);
    return error < 0 ? raise_session_error(self, error) : Py_NewRef(Py_None);
}

static PyObject *session_disconnected(session_object *self, PyObject *now) {
    int64_t now_us;
    if (get_now(now, &now_us) < 0)
        return NULL;
    fq_session_disconnected(self->session, now_us);
    Py_RETURN_NONE;
}

static PyObject *session_reconnect_delay(session_object *self, PyObject *unused) {
    (void)unused;
    return PyFloat_FromDouble((double)fq_session_reconnect_delay_us(self->session) / 1e6);
}

// All events that wait, as a list.
static PyObject *session_events(session_object *self, PyObject *unused) {
    (void)unused;
    PyObject *list = PyList_New(0);
    struct fq_session_event event;
    while (list != NULL && fq_session_next_event(self->session, &event) == 1) {
        PyObject *item = core_event(&event);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *session_feed(session_object *self, PyObject *args) {
    Py_buffer view;
    double now;
    if (!PyArg_ParseTuple(args, "y*d:feed", &view, &now))
        return NULL;
    int error = fq_session_feed(self->session, view.buf, (size_t)view.len, microseconds(now));
    PyBuffer_Release(&view);
    return error < 0 ? raise_session_error(self, error) : session_events(self, NULL);
}

static PyObject *session_take_output(session_object *self, PyObject *unused) {
    enum { PIECE_MAX = 4 << 20 };
    (void)unused;
    fq_slice output = fq_session_output(self->session);
    if (output.len > PIECE_MAX)
        output.len = PIECE_MAX;
    PyObject *bytes = PyBytes_FromStringAndSize(output.ptr, (Py_ssize_t)output.len);
    if (bytes != NULL && output.len > 0)
        fq_session_sent(self->session, output.len);
    return bytes;
}

static PyObject *session_deadline(session_object *self, PyObject *unused) {
    (void)unused;
    int64_t deadline_us = fq_session_deadline(self->session);
    return PyFloat_FromDouble(deadline_us == INT64_MAX ? (double)INFINITY : (double)deadline_us / 1e6);
}

static PyObject *session_tick(session_object *self, PyObject *now) {
    int64_t now_us;
    if (get_now(now, &now_us) < 0)
        return NULL;
    int error = fq_session_tick(self->session, now_us);
    return error < 0 ? raise_session_error(self, error) : Py_NewRef(Py_None);
}

// submit(name, payload, tag, want_result, *, …) -> id
static PyObject *session_submit(session_object *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {
        "name",       "payload",     "tag",        "want_result", "id",         "priority", "delay_ms",
        "at_unix_ms", "expires_ms",  "timeout_ms", "retries",     "backoff_ms", "unique",   "result_ttl_ms",
        "encoding",   "traceparent", "tracestate", "baggage",     NULL};
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    const char *name, *payload;
    Py_ssize_t name_len, payload_len;
    unsigned long long tag;
    long long delay = 0, at = 0, expires = 0, timeout = 0, backoff = 0, result_ttl = -1;
    unsigned retries = 0;
    int want_result = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s#y#Kp|$zzLLLLILzLzzzz:submit", KEYWORDS(names), &name,
                                     &name_len, &payload, &payload_len, &tag, &want_result, &options.id,
                                     &options.priority, &delay, &at, &expires, &timeout, &retries, &backoff,
                                     &options.unique, &result_ttl, &options.encoding, &options.traceparent,
                                     &options.tracestate, &options.baggage))
        return NULL;
    options.delay_ms = delay;
    options.at_unix_ms = at;
    options.expires_ms = expires;
    options.timeout_ms = timeout;
    options.retries = retries;
    options.backoff_ms = backoff;
    options.result_ttl_ms = result_ttl;
    options.want_result = want_result != 0;
    char id[37];
    int error = fq_session_submit(self->session, (fq_slice){name, (size_t)name_len},
                                  (fq_slice){payload, (size_t)payload_len}, &options, tag, id);
    return error < 0 ? raise_session_error(self, error) : PyUnicode_FromStringAndSize(id, 36);
}

static PyObject *session_watch(session_object *self, PyObject *args) {
    const char *id;
    unsigned long long tag;
    if (!PyArg_ParseTuple(args, "sK:watch", &id, &tag))
        return NULL;
    int error = fq_session_watch(self->session, id, tag);
    return error < 0 ? raise_session_error(self, error) : Py_NewRef(Py_None);
}

static PyObject *session_forget(session_object *self, PyObject *tag) {
    unsigned long long number = PyLong_AsUnsignedLongLong(tag);
    if (number == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    fq_session_forget(self->session, number);
    Py_RETURN_NONE;
}

// command(args, tag, repeatable)
static PyObject *session_command(session_object *self, PyObject *args) {
    enum { ARGS_MAX = 1024 };
    PyObject *words;
    unsigned long long tag;
    int repeatable;
    if (!PyArg_ParseTuple(args, "O!Kp:command", &PyTuple_Type, &words, &tag, &repeatable))
        return NULL;
    Py_ssize_t count = PyTuple_Size(words);
    if (count < 1 || count > ARGS_MAX) {
        PyErr_Format(PyExc_ValueError, "a command has 1 to %d words", (int)ARGS_MAX);
        return NULL;
    }
    fq_slice slices[ARGS_MAX];
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t len = 0;
        PyObject *word = PyTuple_GetItem(words, i);
        char *bytes = NULL;
        if (PyBytes_Check(word))
            (void)PyBytes_AsStringAndSize(word, &bytes, &len);
        slices[i].ptr = bytes != NULL ? bytes : PyUnicode_AsUTF8AndSize(word, &len);
        slices[i].len = (size_t)len;
        if (slices[i].ptr == NULL)
            return NULL;
    }
    int error = fq_session_command(self->session, slices, (size_t)count, repeatable != 0, tag);
    return error < 0 ? raise_session_error(self, error) : Py_NewRef(Py_None);
}

static PyObject *session_get_ready(session_object *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(fq_session_is_ready(self->session));
}

static PyObject *session_get_leader(session_object *self, void *unused) {
    (void)unused;
    const char *leader = fq_session_leader(self->session);
    return leader != NULL ? PyUnicode_DecodeUTF8(leader, (Py_ssize_t)strlen(leader), "replace")
                          : Py_NewRef(Py_None);
}

static PyObject *session_get_error(session_object *self, void *unused) {
    (void)unused;
    const char *error = fq_session_error(self->session);
    return core_text(error, error != NULL ? strlen(error) : 0);
}

static PyMethodDef session_methods[] = {
    {"connected",       METHOD(session_connected),       METH_O,                       "A transport is there."                },
    {"disconnected",    METHOD(session_disconnected),    METH_O,                       "The transport is gone."               },
    {"reconnect_delay", METHOD(session_reconnect_delay), METH_NOARGS,                  "Seconds to wait before connecting."   },
    {"feed",            METHOD(session_feed),            METH_VARARGS,                 "feed(bytes, now) -> events"           },
    {"events",          METHOD(session_events),          METH_NOARGS,                  "Events that wait."                    },
    {"take_output",     METHOD(session_take_output),     METH_NOARGS,                  "Bytes to write now, b'' if none."     },
    {"deadline",        METHOD(session_deadline),        METH_NOARGS,                  "When tick() wants to be called."      },
    {"tick",            METHOD(session_tick),            METH_O,                       "Raises when the peer is silent."      },
    {"submit",          METHOD(session_submit),          METH_VARARGS | METH_KEYWORDS, "submit(name, payload, tag, …) -> id"},
    {"watch",           METHOD(session_watch),           METH_VARARGS,                 "watch(id, tag)"                       },
    {"forget",          METHOD(session_forget),          METH_O,                       "forget(tag)"                          },
    {"command",         METHOD(session_command),         METH_VARARGS,                 "command(words, tag, repeatable)"      },
    {NULL,              NULL,                            0,                            NULL                                   },
};
static PyGetSetDef session_properties[] = {
    {"ready",  (getter)session_get_ready,  NULL, "HELLO and AUTH have been answered.", NULL},
    {"leader", (getter)session_get_leader, NULL,
     "Whom a standby named, \"\": nobody; None: it was no standby.",                   NULL},
    {"error",  (getter)session_get_error,  NULL, "The last error as a sentence.",      NULL},
    {NULL,     NULL,                       NULL, NULL,                                 NULL},
};
static PyType_Slot session_slots[] = {
    {Py_tp_doc,     DOC("The protocol without sockets.")},
    {Py_tp_new,     (void *)session_new                 },
    {Py_tp_dealloc, (void *)session_dealloc             },
    {Py_tp_methods, session_methods                     },
    {Py_tp_getset,  session_properties                  },
    {0,             NULL                                },
};
static PyType_Spec session_spec = {
    .name = "fastqueue._core.Session",
    .basicsize = sizeof(session_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = session_slots,
};

int core_session_add(PyObject *module, struct core_state *state) {
    return core_add_type(module, &session_spec, &state->session_type);
}
