// SPDX-License-Identifier: Apache-2.0
// The module fastqueue._core: state, error table, functions without a type.
#include "core.h"
#include "fastqueue/version.h"
#include "net/address.h"
#include "telemetry.h"
#include "worker/runner.h"

struct core_state *core_state_of_type(PyTypeObject *type) {
    return PyType_GetModuleState(type);
}

PyObject *core_raise(struct core_state *state, int error, const char *message) {
    if (message == NULL || *message == '\0')
        message = fq_strerror(error);
    if (state->error_factory == NULL) { // the exceptions are Python's, loaded by the first that is needed
        PyObject *errors = PyImport_ImportModule("fastqueue.errors");
        Py_XDECREF(errors);
        if (errors == NULL || state->error_factory == NULL)
            return errors == NULL ? NULL : PyErr_Format(PyExc_RuntimeError, "%s", message);
    }
    PyObject *exception = PyObject_CallFunction(state->error_factory, "is", error, message);
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return NULL;
}

int core_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **ret_type) {
    *ret_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (*ret_type != NULL)
        return PyModule_AddType(module, *ret_type);
    if (!PyErr_Occurred()) // where Python itself does not say so
        PyErr_NoMemory();
    return -1;
}

static PyObject *set_error_factory(PyObject *module, PyObject *factory) {
    struct core_state *state = PyModule_GetState(module);
    if (!PyCallable_Check(factory)) {
        PyErr_SetString(PyExc_TypeError, "the error factory has to be callable");
        return NULL;
    }
    PyObject *old = state->error_factory;
    state->error_factory = Py_NewRef(factory);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *error_rows(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    PyObject *rows = PyList_New(0);
    for (unsigned index = 0; rows != NULL; index++) {
        const struct fq_error_info *info = fq_error_row(index);
        if (info == NULL)
            break;
        PyObject *row = Py_BuildValue("(isssO)", info->error, info->name, info->code, info->text,
                                      info->retryable ? Py_True : Py_False);
        if (row == NULL || PyList_Append(rows, row) < 0)
            Py_CLEAR(rows);
        Py_XDECREF(row);
    }
    return rows;
}

// parse_address(text) -> (kind, host, port, path, user, token)
static PyObject *parse_address(PyObject *module, PyObject *text) {
    static const char *const kinds[] = {"tcp", "tls", "unix"};
    struct fq_address address;
    const char *reason = NULL;
    Py_ssize_t len;
    const char *utf8 = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    if (utf8 == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "an address is a str");
        return NULL;
    }
    int error = fq_address_parse((fq_str){utf8, (size_t)len}, &address, &reason);
    if (error < 0)
        return core_raise(PyModule_GetState(module), error, reason);
    return Py_BuildValue("(ssisss)", kinds[address.kind], address.host, (int)address.port, address.path,
                         address.user, address.token);
}

static PyMethodDef module_methods[] = {
    {"set_error_factory", set_error_factory, METH_O,      "set_error_factory(callable): makes the exceptions."        },
    {"error_rows",        error_rows,        METH_NOARGS, "error_rows(): (number, name, code, text, retryable) rows." },
    {"parse_address",     parse_address,     METH_O,      "parse_address(text): (kind, host, port, path, user, token)"},
    {"json_encode",       core_json_encode,  METH_O,      "json_encode(value): strict JSON as bytes."                 },
    {NULL,                NULL,              0,           NULL                                                        },
};

static int module_exec(PyObject *module) {
    struct core_state *state = PyModule_GetState(module);
    if (core_session_add(module, state) < 0 || core_task_add(module, state) < 0 ||
        core_steps_add(module, state) < 0 || core_runner_add(module, state) < 0 ||
        core_telemetry_add(module, state) < 0)
        return -1;
    if (PyModule_AddIntConstant(module, "SOFT_SIGNAL", FQ_RUNNER_SIGNAL) < 0)
        return -1;
    return PyModule_AddStringConstant(module, "VERSION", FQ_VERSION);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    struct core_state *state = PyModule_GetState(module);
    if (state == NULL)
        return 0;
    Py_VISIT(state->session_type);
    Py_VISIT(state->runner_type);
    Py_VISIT(state->task_type);
    Py_VISIT(state->steps_type);
    Py_VISIT(state->error_factory);
    return core_telemetry_traverse(state, visit, arg);
}

static int module_clear(PyObject *module) {
    struct core_state *state = PyModule_GetState(module);
    if (state == NULL)
        return 0;
    Py_CLEAR(state->session_type);
    Py_CLEAR(state->runner_type);
    Py_CLEAR(state->task_type);
    Py_CLEAR(state->steps_type);
    Py_CLEAR(state->error_factory);
    core_telemetry_clear(state);
    return 0;
}

static void module_free(void *module) {
    (void)module_clear(module);
}

// Slots hold functions as void *, which ISO C forbids and POSIX allows.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)module_exec},
    {0,           NULL               },
};
#pragma GCC diagnostic pop

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "fastqueue._core",
    .m_doc = "FastQueue's protocol session and runner for Python.",
    .m_size = sizeof(struct core_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&module_definition);
}
