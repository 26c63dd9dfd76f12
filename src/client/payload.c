// SPDX-License-Identifier: Apache-2.0
#include "fastqueue/payload.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct fq_payload {
    json_t *root, *args, *kwargs; // args and kwargs borrow from root
    char *text;                   // as it was printed last; NULL = changed since
    int error;
};

fq_payload *fq_payload_new(void) {
    fq_payload *payload = calloc(1, sizeof *payload);
    if (payload == NULL)
        return NULL;
    payload->root = json_object();
    payload->args = json_array();
    payload->kwargs = json_object();
    // The object takes both also when it fails.
    bool failed = json_object_set_new(payload->root, "args", payload->args) < 0;
    failed = json_object_set_new(payload->root, "kwargs", payload->kwargs) < 0 || failed;
    return failed ? fq_payload_free(payload) : payload;
}

fq_payload *fq_payload_free(fq_payload *payload) {
    if (payload == NULL)
        return NULL;
    json_decref(payload->root);
    free(payload->text);
    free(payload);
    return NULL;
}

static int fail(fq_payload *payload, int error) {
    if (payload->error == 0)
        payload->error = error;
    return payload->error;
}

// Takes `value`, NULL if it could not be made because of `cause`.
static int add(fq_payload *payload, const char *name, json_t *value, int cause) {
    free(payload->text);
    payload->text = NULL;
    if (payload->error < 0 || value == NULL) {
        json_decref(value);
        return fail(payload, cause);
    }
    if (name == NULL)
        return json_array_append_new(payload->args, value) < 0 ? fail(payload, FQ_ENOMEM) : 0;
    // Fails for names that are not UTF-8, too; memory is the unlikely cause.
    return json_object_set_new(payload->kwargs, name, value) < 0 ? fail(payload, FQ_EENCODING) : 0;
}

int fq_payload_add_null(fq_payload *payload, const char *name) {
    return add(payload, name, json_null(), FQ_ENOMEM);
}

int fq_payload_add_int(fq_payload *payload, const char *name, int64_t value) {
    return add(payload, name, json_integer(value), FQ_ENOMEM);
}

int fq_payload_add_double(fq_payload *payload, const char *name, double value) {
    return add(payload, name, isfinite(value) ? json_real(value) : NULL, FQ_EENCODING);
}

int fq_payload_add_bool(fq_payload *payload, const char *name, bool value) {
    return add(payload, name, json_boolean(value), FQ_ENOMEM);
}

int fq_payload_add_string(fq_payload *payload, const char *name, const char *text, size_t len) {
    return add(payload, name, json_stringn(text, len), FQ_EENCODING);
}

int fq_payload_add_json(fq_payload *payload, const char *name, const char *json, size_t len) {
    json_error_t cause;
    return add(payload, name, json_loadb(json, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &cause), FQ_EENCODING);
}

int fq_payload_text(fq_payload *payload, const char **ret_text, size_t *ret_len) {
    if (payload->error < 0)
        return payload->error;
    if (payload->text == NULL)
        payload->text = json_dumps(payload->root, JSON_COMPACT);
    if (payload->text == NULL)
        return fail(payload, FQ_ENOMEM);
    *ret_text = payload->text;
    *ret_len = strlen(payload->text);
    return 0;
}
