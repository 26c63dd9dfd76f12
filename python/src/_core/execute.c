// SPDX-License-Identifier: Apache-2.0
// One task in a runner: payload to arguments, the call, the outcome to the supervisor and the control plane. This is
// the path whose length decides what a task of no work costs; whatever is not plain JSON leaves it for Python code.
#include "runner.h"

static bool is_json(fq_str encoding) {
    return encoding.len == 0 || fq_str_equal(encoding, FQ_STR("json"));
}

static bool only_space(const char *text, Py_ssize_t from, Py_ssize_t len) {
    for (Py_ssize_t i = from; i < len; i++) {
        if (text[i] != ' ' && text[i] != '\n' && text[i] != '\r' && text[i] != '\t')
            return false;
    }
    return true;
}

// Payload by the standard library's C scanner; NULL without exception when the slow path has to look at it.
static PyObject *scan_payload(runner_object *self, fq_str payload) {
    if (payload.len == 0 || payload.ptr[0] != '{')
        return NULL;
    PyObject *text = PyUnicode_DecodeUTF8(payload.ptr, (Py_ssize_t)payload.len, NULL);
    PyObject *pair = text != NULL ? PyObject_CallFunction(self->scan_json, "Oi", text, 0) : NULL;
    PyObject *value = NULL;
    if (pair != NULL && PyTuple_Check(pair) && PyTuple_Size(pair) == 2) {
        Py_ssize_t end = PyLong_AsSsize_t(PyTuple_GetItem(pair, 1));
        // Characters and bytes agree when there is nothing but ASCII; else the slow path decides what trails.
        bool ascii = text != NULL && PyUnicode_GetLength(text) == (Py_ssize_t)payload.len;
        if (ascii ? only_space(payload.ptr, end, (Py_ssize_t)payload.len) : end == PyUnicode_GetLength(text))
            value = Py_NewRef(PyTuple_GetItem(pair, 0));
    }
    Py_XDECREF(pair);
    Py_XDECREF(text);
    PyErr_Clear();
    return value;
}

// The two members of {"args": […], "kwargs": {…}}; false if it is anything else.
static bool split_payload(PyObject *value, PyObject **ret_args, PyObject **ret_kwargs) {
    PyObject *args = PyDict_GetItemString(value, "args");
    PyObject *kwargs = PyDict_GetItemString(value, "kwargs");
    Py_ssize_t known = (args != NULL) + (kwargs != NULL);
    if (PyDict_Size(value) != known || (args != NULL && !PyList_Check(args)) ||
        (kwargs != NULL && !PyDict_Check(kwargs)))
        return false;
    *ret_args = args != NULL ? PyList_AsTuple(args) : PyTuple_New(0);
    *ret_kwargs = Py_XNewRef(kwargs);
    return *ret_args != NULL;
}

int runner_arguments(runner_object *self, const struct fq_runner_task *task, PyObject **ret_args,
                     PyObject **ret_kwargs) {
    PyObject *value = is_json(task->encoding) ? scan_payload(self, task->payload) : NULL;
    if (value != NULL) {
        bool good = PyDict_Check(value) && split_payload(value, ret_args, ret_kwargs);
        Py_DECREF(value);
        if (good)
            return 0;
        if (PyErr_Occurred())
            return -1;
    }
    PyObject *pair =
        PyObject_CallFunction(self->decode, "y#s#", task->payload.ptr, (Py_ssize_t)task->payload.len,
                              task->encoding.ptr, (Py_ssize_t)task->encoding.len);
    PyObject *args, *kwargs;
    int error =
        pair != NULL && PyArg_ParseTuple(pair, "O!O!:decode", &PyTuple_Type, &args, &PyDict_Type, &kwargs)
            ? 0
            : -1;
    if (error == 0) {
        *ret_args = Py_NewRef(args);
        *ret_kwargs = Py_NewRef(kwargs);
    }
    Py_XDECREF(pair);
    return error;
}

static fq_str str_of(PyObject *text, Py_ssize_t max) {
    Py_ssize_t len = 0;
    const char *utf8 = text != NULL && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    if (utf8 == NULL) {
        PyErr_Clear();
        return FQ_STR("");
    }
    if (len > max) {
        len = max;
        while (len > 0 && ((unsigned char)utf8[len] & 0xC0) == 0x80)
            len--; // a cut never leaves half a character behind
    }
    return (fq_str){utf8, (size_t)len};
}

static void report(runner_object *self, task_object *task, const struct fq_runner_outcome *outcome) {
    task->finished = true;
    if (self->runner != NULL && !self->forked)
        fq_runner_finish(self->runner, task->slot, outcome);
}

int runner_finish_exception(runner_object *self, task_object *task) {
    enum { TYPE_MAX = 200, MESSAGE_MAX = 16 << 10, STACK_MAX = 64 << 10 };
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    if (exception != NULL && traceback != NULL)
        (void)PyException_SetTraceback(exception, traceback);
    PyObject *row = exception != NULL ? PyObject_CallFunction(self->describe, "O", exception) : NULL;
    struct fq_runner_outcome outcome = {.error_type = FQ_STR("Exception"),
                                        .message = FQ_STR("the exception cannot be described")};
    if (row != NULL && PyTuple_Check(row) && PyTuple_Size(row) == 4) {
        outcome.error_type = str_of(PyTuple_GetItem(row, 0), TYPE_MAX);
        outcome.message = str_of(PyTuple_GetItem(row, 1), MESSAGE_MAX);
        outcome.stack = str_of(PyTuple_GetItem(row, 2), STACK_MAX);
        outcome.no_retry = PyTuple_GetItem(row, 3) == Py_True;
    }
    PyErr_Clear();
    report(self, task, &outcome);
    Py_XDECREF(row);
    Py_XDECREF(type);
    Py_XDECREF(exception);
    Py_XDECREF(traceback);
    return 0;
}

int runner_finish_value(runner_object *self, task_object *task, PyObject *value) {
    struct fq_runner_outcome outcome = {.ok = true, .encoding = FQ_STR("json")};
    PyObject *bytes = NULL;
    bool json = task->encoding == Py_None || PyUnicode_CompareWithASCIIString(task->encoding, "pickle") != 0;
    self->out.len = 0;
    if (json) {
        if (core_json_write(self->state, &self->out, value) < 0)
            return runner_finish_exception(self, task);
        outcome.result = (fq_str){self->out.ptr, self->out.len};
    } else {
        char *ptr = NULL;
        Py_ssize_t len = 0;
        bytes = PyObject_CallFunction(self->encode, "OO", value, task->encoding);
        if (bytes == NULL || PyBytes_AsStringAndSize(bytes, &ptr, &len) < 0) {
            Py_XDECREF(bytes);
            return runner_finish_exception(self, task);
        }
        outcome.result = (fq_str){ptr, (size_t)len};
        outcome.encoding = str_of(task->encoding, 64);
    }
    report(self, task, &outcome);
    Py_XDECREF(bytes);
    enum { KEEP_MAX = 1 << 20 };
    if (self->out.capacity > KEEP_MAX)
        core_bytes_free(&self->out);
    return 0;
}

// context.run(function, *args, **kwargs) in a context of its own, where current_task() is this task.
static PyObject *call_in_context(runner_object *self, task_object *task, PyObject *function, PyObject *args,
                                 PyObject *kwargs) {
    PyObject *context = PyObject_CallNoArgs(self->copy_context);
    PyObject *run = context != NULL ? PyObject_GetAttrString(context, "run") : NULL;
    PyObject *set =
        run != NULL ? PyObject_CallFunctionObjArgs(run, self->set_current, (PyObject *)task, NULL) : NULL;
    Py_ssize_t count = PyTuple_Size(args);
    PyObject *full = set != NULL ? PyTuple_New(count + 1) : NULL;
    PyObject *result = NULL;
    if (full != NULL) {
        (void)PyTuple_SetItem(full, 0, Py_NewRef(function));
        for (Py_ssize_t i = 0; i < count; i++)
            (void)PyTuple_SetItem(full, i + 1, Py_NewRef(PyTuple_GetItem(args, i)));
        self->sync_slot = task->slot;
        self->in_sync_task = true;
        // A wish whose signal came before the line above is announced again, to be raised inside the function.
        if (fq_runner_wish(self->runner, task->slot) != FQ_WISH_NONE)
            (void)raise(FQ_RUNNER_SIGNAL);
        result = PyObject_Call(run, full, kwargs);
        self->in_sync_task = false;
    }
    Py_XDECREF(full);
    Py_XDECREF(set);
    Py_XDECREF(run);
    Py_XDECREF(context);
    return result;
}

// User code forked and its child came back here: the child must not go on as a second runner.
static void leave_child(runner_object *self) {
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    if (exception != NULL && traceback != NULL)
        (void)PyException_SetTraceback(exception, traceback);
    PyObject *result = PyObject_CallFunction(self->leave_child, "O", exception != NULL ? exception : Py_None);
    Py_XDECREF(result);
    _Exit(1);
}

static int run_function(runner_object *self, task_object *task, PyObject *function, PyObject *args,
                        PyObject *kwargs) {
    PyObject *result = call_in_context(self, task, function, args, kwargs);
    if (self->forked)
        leave_child(self);
    if (result == NULL)
        return runner_finish_exception(self, task);
    int error = runner_finish_value(self, task, result);
    Py_DECREF(result);
    return error;
}

static int start_coroutine(runner_object *self, task_object *task, PyObject *function, PyObject *args,
                           PyObject *kwargs) {
    PyObject *started = PyObject_CallFunctionObjArgs(self->start, (PyObject *)task, function, args,
                                                     kwargs != NULL ? kwargs : Py_None, NULL);
    if (started == NULL)
        return runner_finish_exception(self, task);
    self->coroutines++;
    Py_DECREF(started);
    fq_runner_on_cpu(self->runner, FQ_RUNNER_NO_SLOT); // it has only been made, and runs later
    return 0;
}

// Borrowed (name, function, is coroutine function) of the task; NULL with an exception.
static PyObject *entry_of(runner_object *self, const struct fq_runner_task *task) {
    return PyList_GetItem(self->functions, (Py_ssize_t)task->name_index);
}

bool runner_is_coroutine(runner_object *self, const struct fq_runner_task *task) {
    PyObject *entry = entry_of(self, task);
    PyErr_Clear();
    return entry != NULL && PyTuple_GetItem(entry, 2) == Py_True;
}

int runner_execute(runner_object *self, const struct fq_runner_task *task) {
    PyObject *entry = entry_of(self, task);
    task_object *running = entry != NULL ? core_task_new(self, task, PyTuple_GetItem(entry, 0)) : NULL;
    if (running == NULL)
        return -1;
    if (fq_runner_begin(self->runner, task->slot) != 1) { // taken back meanwhile
        Py_DECREF(running);
        return 0;
    }
    running->context = otel_span_context_of(fq_runner_span(self->runner, task->slot));
    PyObject *function = PyTuple_GetItem(entry, 1);
    PyObject *args = NULL, *kwargs = NULL;
    int error;
    if (runner_arguments(self, task, &args, &kwargs) < 0)
        error = runner_finish_exception(self, running);
    else if (PyTuple_GetItem(entry, 2) == Py_True)
        error = start_coroutine(self, running, function, args, kwargs);
    else
        error = run_function(self, running, function, args, kwargs);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_DECREF(running);
    return error;
}
