// SPDX-License-Identifier: Apache-2.0
#include "server/admin_submit.h"

#include <stdio.h>
#include <stdlib.h>

// Fields of the body that become options of FQ.SUBMIT.
static const struct field {
    const char *name, *option;
    bool is_number;
} fields[] = {
    {"id",          "ID",          false},
    {"priority",    "PRIORITY",    false},
    {"delay",       "DELAY",       true },
    {"at",          "AT",          true },
    {"expires",     "EXPIRES",     true },
    {"timeout",     "TIMEOUT",     true },
    {"retries",     "RETRIES",     true },
    {"backoff",     "BACKOFF",     true },
    {"unique",      "UNIQUE",      false},
    {"result_ttl",  "RESULT-TTL",  true },
    {"traceparent", "TRACEPARENT", false},
    {"tracestate",  "TRACESTATE",  false},
    {"baggage",     "BAGGAGE",     false},
    {"encoding",    "ENCODING",    false},
};
enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

static const struct field *find_field(const char *name) {
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static bool is_other_field(const char *name) {
    return strcmp(name, "name") == 0 || strcmp(name, "args") == 0 || strcmp(name, "kwargs") == 0 ||
           strcmp(name, "payload") == 0;
}

// The payload as the submitter wrote it, or the usual {"args": […], "kwargs": {…}}. True, or false with an answer.
static bool add_payload(const json_t *body, struct fq_admin_call *call, struct fq_admin_answer *ret_answer) {
    json_t *payload = json_object_get(body, "payload"), *args = json_object_get(body, "args"),
           *kwargs = json_object_get(body, "kwargs");
    if (payload != NULL) {
        if (json_is_string(payload) && args == NULL && kwargs == NULL)
            return fq_admin_add(call, (fq_str){json_string_value(payload), json_string_length(payload)});
        *ret_answer = fq_admin_error(400, "ERR", "payload is a string and excludes args and kwargs");
        return false;
    }
    if ((args != NULL && !json_is_array(args)) || (kwargs != NULL && !json_is_object(kwargs))) {
        *ret_answer = fq_admin_error(400, "ERR", "args is an array, kwargs an object");
        return false;
    }
    json_t *both = json_object();
    json_object_set_new(both, "args", args != NULL ? json_incref(args) : json_array());
    json_object_set_new(both, "kwargs", kwargs != NULL ? json_incref(kwargs) : json_object());
    char *text = json_dumps(both, JSON_COMPACT);
    bool ok = text != NULL && fq_admin_add(call, fq_str_of(text));
    free(text);
    json_decref(both);
    return ok;
}

static bool add_field(const struct field *field, const json_t *value, struct fq_admin_call *call,
                      struct fq_admin_answer *ret_answer) {
    char number[24];
    fq_str text;
    if (field->is_number && json_is_integer(value)) {
        int len = snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        text = (fq_str){number, (size_t)len};
    } else if (!field->is_number && json_is_string(value)) {
        text = (fq_str){json_string_value(value), json_string_length(value)};
    } else {
        *ret_answer =
            fq_admin_error(400, "ERR", "%s is %s", field->name, field->is_number ? "an integer" : "a string");
        return false;
    }
    return fq_admin_add(call, fq_str_of(field->option)) && fq_admin_add(call, text);
}

static bool add_fields(const json_t *body, struct fq_admin_call *call, struct fq_admin_answer *ret_answer) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, key, value) {
        const struct field *field = find_field(key);
        if (field == NULL && is_other_field(key))
            continue;
        if (field == NULL) {
            *ret_answer = fq_admin_error(400, "ERR", "unknown field %s", key);
            return false;
        }
        if (!json_is_null(value) && !add_field(field, value, call, ret_answer))
            return false;
    }
    return true;
}

// The caller's trace goes on in the task unless the body names another one.
static bool add_context(const struct fq_admin_request *request, const json_t *body,
                        struct fq_admin_call *call) {
    const char *const headers[][3] = {
        {request->traceparent, "traceparent", "TRACEPARENT"},
        {request->tracestate,  "tracestate",  "TRACESTATE" },
        {request->baggage,     "baggage",     "BAGGAGE"    }
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (headers[i][0] == NULL || json_object_get(body, headers[i][1]) != NULL)
            continue;
        if (!fq_admin_add(call, fq_str_of(headers[i][2])) || !fq_admin_add(call, fq_str_of(headers[i][0])))
            return false;
    }
    return true;
}

static bool submit_body(const struct fq_admin_request *request, const json_t *body,
                        struct fq_admin_call *call, struct fq_admin_answer *ret_answer) {
    const json_t *name = json_object_get(body, "name");
    if (!json_is_string(name)) {
        *ret_answer = fq_admin_error(400, "ERR", "the body is a JSON object with the task's name");
        return false;
    }
    *ret_answer = (struct fq_admin_answer){0, NULL};
    bool ok = fq_admin_add(call, FQ_STR("FQ.SUBMIT")) &&
              fq_admin_add(call, (fq_str){json_string_value(name), json_string_length(name)}) &&
              add_payload(body, call, ret_answer) && add_fields(body, call, ret_answer) &&
              add_context(request, body, call);
    if (!ok && ret_answer->status == 0)
        *ret_answer = fq_admin_error(503, "OOM", "out of memory");
    return ok;
}

bool fq_admin_submit(const struct fq_admin_request *request, struct fq_admin_call *call,
                     struct fq_admin_answer *ret_answer) {
    json_error_t error;
    call->shape = FQ_ADMIN_ID;
    json_t *body =
        json_loadb(request->body.ptr, request->body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (body == NULL) {
        *ret_answer = fq_admin_error(400, "ERR", "the body is no JSON: %s", error.text);
        return false;
    }
    bool ok = submit_body(request, body, call, ret_answer);
    json_decref(body);
    if (!ok)
        fq_admin_call_done(call);
    return ok;
}
