// SPDX-License-Identifier: Apache-2.0
#include "server/admin_api.h"

#include "base/uuid.h"
#include "server/admin_json.h"
#include "server/admin_submit.h"

#include <stdarg.h>
#include <stdio.h>

enum { WAIT_MAX_MS = 60000 };

struct fq_admin_answer fq_admin_error(int status, const char *code, const char *format, ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    // %s of jansson wants UTF-8; what a peer sent may be cut or broken.
    json_t *message = json_string(text);
    if (message == NULL)
        message = json_string("the request holds bytes that are no UTF-8");
    return (struct fq_admin_answer){status,
                                    json_pack("{s:{s:s, s:o}}", "error", "code", code, "message", message)};
}

// While arguments are collected a slice holds an offset into `text`, for the buffer moves when it grows.
bool fq_admin_add(struct fq_admin_call *call, fq_str text) {
    if (call->arg_count == FQ_ADMIN_ARGS_MAX)
        return false;
    size_t offset = fq_buf_len(&call->text);
    if (fq_buf_append_str(&call->text, text) < 0)
        return false;
    call->args[call->arg_count++] = (fq_str){(const char *)(uintptr_t)offset, text.len};
    return true;
}

void fq_admin_seal(struct fq_admin_call *call) {
    const char *base = fq_buf_str(&call->text).ptr;
    for (size_t i = 0; i < call->arg_count; i++)
        call->args[i].ptr = base + (uintptr_t)call->args[i].ptr;
}

void fq_admin_call_done(struct fq_admin_call *call) {
    fq_buf_done(&call->text);
    call->arg_count = 0;
}

// --- routes ---------------------------------------------------------------------------------------------------------------

struct listing {
    const char *path, *command, *subcommand, *rows_key;
    const char *filters[5]; // query parameters that become options of the same name
};

static const struct listing listings[] = {
    {"/api/v1/tasks",   "FQ.LIST",    NULL,   "tasks",   {"status", "name", "priority", "worker"}},
    {"/api/v1/dead",    "FQ.DEAD",    "LIST", "tasks",   {"name"}                                },
    {"/api/v1/queues",  "FQ.QUEUES",  NULL,   "queues",  {NULL}                                  },
    {"/api/v1/workers", "FQ.WORKERS", NULL,   "workers", {NULL}                                  },
};

static bool add_parameter(const struct fq_admin_request *request, struct fq_admin_call *call,
                          const char *name) {
    const char *value = request->query(request->context, name);
    if (value == NULL || value[0] == 0)
        return true;
    char option[16];
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        option[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
    return fq_admin_add(call, (fq_str){option, len}) && fq_admin_add(call, fq_str_of(value));
}

static bool is_parameter(const struct listing *row, const char *name) {
    for (size_t i = 0; row->filters[i] != NULL; i++)
        if (strcmp(row->filters[i], name) == 0)
            return true;
    return strcmp(name, "count") == 0 || strcmp(name, "cursor") == 0;
}

// The first parameter that the listing does not know: a filter that is not there must not look like one that matches all.
static const char *unknown_parameter(const struct fq_admin_request *request, const struct listing *row) {
    const char *name;
    for (unsigned i = 0; (name = request->query_name(request->context, i)) != NULL; i++)
        if (!is_parameter(row, name))
            return name;
    return NULL;
}

static bool route_listing(const struct fq_admin_request *request, const struct listing *row,
                          struct fq_admin_call *call) {
    call->shape = FQ_ADMIN_PAGE;
    call->rows_key = row->rows_key;
    bool ok = fq_admin_add(call, fq_str_of(row->command));
    if (row->subcommand != NULL)
        ok = ok && fq_admin_add(call, fq_str_of(row->subcommand));
    for (size_t i = 0; row->filters[i] != NULL; i++)
        ok = ok && add_parameter(request, call, row->filters[i]);
    return ok && add_parameter(request, call, "count") && add_parameter(request, call, "cursor");
}

static bool refuse(struct fq_admin_call *call, struct fq_admin_answer *ret_answer,
                   struct fq_admin_answer answer) {
    fq_admin_call_done(call);
    *ret_answer = answer;
    return false;
}

static bool wrong_method(const struct fq_admin_request *request, struct fq_admin_call *call,
                         const char *allowed, struct fq_admin_answer *ret_answer) {
    return refuse(call, ret_answer, fq_admin_error(405, "ERR", "%s wants %s", request->path, allowed));
}

// /api/v1/tasks/<id> and /api/v1/tasks/<id>/cancel; `tail` is what follows "tasks/".
static bool route_task(const struct fq_admin_request *request, const char *tail, struct fq_admin_call *call,
                       struct fq_admin_answer *ret_answer) {
    size_t id_len = strcspn(tail, "/");
    fq_uuid id;
    if (fq_uuid_parse((fq_str){tail, id_len}, &id) < 0)
        return refuse(call, ret_answer, fq_admin_error(400, "ERR", "a task id is a UUID of 36 characters"));
    bool is_cancel = strcmp(tail + id_len, "/cancel") == 0;
    if (!is_cancel && tail[id_len] != 0)
        return refuse(call, ret_answer, fq_admin_error(404, "ERR", "no such page"));
    bool is_post = strcmp(request->method, "POST") == 0;
    if (is_cancel != is_post)
        return wrong_method(request, call, is_cancel ? "POST" : "GET", ret_answer);
    call->shape = is_cancel ? FQ_ADMIN_CANCEL : FQ_ADMIN_OBJECT;
    bool ok = fq_admin_add(call, is_cancel ? FQ_STR("FQ.CANCEL") : FQ_STR("FQ.RESULT")) &&
              fq_admin_add(call, (fq_str){tail, id_len});
    const char *wait = is_cancel ? NULL : request->query(request->context, "wait");
    if (wait != NULL) {
        int64_t wait_ms;
        if (fq_str_to_int64(fq_str_of(wait), &wait_ms) < 0 || wait_ms < 0 || wait_ms > WAIT_MAX_MS)
            return refuse(call, ret_answer, fq_admin_error(400, "ERR", "wait is 0 to 60000 milliseconds"));
        ok = ok && fq_admin_add(call, FQ_STR("WAIT")) && fq_admin_add(call, fq_str_of(wait));
    }
    if (ok)
        return true;
    return refuse(call, ret_answer, fq_admin_error(503, "OOM", "out of memory"));
}

static bool find_route(const struct fq_admin_request *request, struct fq_admin_call *call,
                       struct fq_admin_answer *ret_answer) {
    bool is_post = strcmp(request->method, "POST") == 0;
    if (is_post && strcmp(request->path, "/api/v1/tasks") == 0)
        return fq_admin_submit(request, call, ret_answer);
    static const char task_prefix[] = "/api/v1/tasks/";
    if (strncmp(request->path, task_prefix, sizeof task_prefix - 1) == 0)
        return route_task(request, request->path + sizeof task_prefix - 1, call, ret_answer);
    for (size_t i = 0; i < sizeof listings / sizeof listings[0]; i++) {
        if (strcmp(request->path, listings[i].path) != 0)
            continue;
        if (is_post)
            return wrong_method(request, call, "GET", ret_answer);
        const char *unknown = unknown_parameter(request, &listings[i]);
        if (unknown != NULL)
            return refuse(call, ret_answer,
                          fq_admin_error(400, "ERR",
                                         "no parameter '%.64s' here; count and cursor page, docs/http.md "
                                         "names the filters",
                                         unknown));
        if (route_listing(request, &listings[i], call))
            return true;
        return refuse(call, ret_answer, fq_admin_error(503, "OOM", "out of memory"));
    }
    if (strcmp(request->path, "/api/v1/stats") != 0)
        return refuse(call, ret_answer, fq_admin_error(404, "ERR", "no such page"));
    if (is_post)
        return wrong_method(request, call, "GET", ret_answer);
    call->shape = FQ_ADMIN_OBJECT;
    if (fq_admin_add(call, FQ_STR("FQ.STATS")))
        return true;
    return refuse(call, ret_answer, fq_admin_error(503, "OOM", "out of memory"));
}

bool fq_admin_route(const struct fq_admin_request *request, struct fq_admin_call *call,
                    struct fq_admin_answer *ret_answer) {
    *call = (struct fq_admin_call){.shape = FQ_ADMIN_OBJECT};
    if (!find_route(request, call, ret_answer))
        return false;
    fq_admin_seal(call);
    return true;
}

// --- answers ----------------------------------------------------------------------------------------------------------------

static int status_of_error(fq_str code) {
    static const struct {
        const char *code;
        int status;
    } rows[] = {
        {"NOAUTH",         401},
        {"WRONGPASS",      401},
        {"NOPERM",         403},
        {"UNKNOWNTASK",    404},
        {"UNKNOWNWORKER",  404},
        {"IDCONFLICT",     409},
        {"BADSTATE",       409},
        {"NOTCANCELLABLE", 409},
        {"WORKEREXISTS",   409},
        {"STALELEASE",     409},
        {"TOOBIG",         413},
        {"FULL",           503},
        {"BUSY",           503},
        {"OOM",            503},
        {"DRAINING",       503},
        {"AGAIN",          503},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (fq_str_equal(code, fq_str_of(rows[i].code)))
            return rows[i].status;
    return 400;
}

static struct fq_admin_answer shaped(const struct fq_admin_call *call, json_t *json) {
    switch (call->shape) {
    case FQ_ADMIN_OBJECT:
        if (!json_is_null(json))
            return (struct fq_admin_answer){200, json};
        json_decref(json);
        return fq_admin_error(404, "UNKNOWNTASK", "no such task");
    case FQ_ADMIN_PAGE: {
        json_t *page = json_pack("{s:O, s:O}", "cursor", json_array_get(json, 0), call->rows_key,
                                 json_array_get(json, 1));
        json_decref(json);
        return (struct fq_admin_answer){200, page};
    }
    case FQ_ADMIN_ID: return (struct fq_admin_answer){201, json_pack("{s:o}", "id", json)};
    case FQ_ADMIN_CANCEL: {
        bool cancelled = json_integer_value(json) > 0;
        json_decref(json);
        return (struct fq_admin_answer){200, json_pack("{s:b}", "cancelled", cancelled)};
    }
    }
    return (struct fq_admin_answer){500, NULL};
}

struct fq_admin_answer fq_admin_answer_of(const struct fq_admin_call *call, fq_str reply) {
    fq_str code, text;
    if (reply.len == 0)
        return fq_admin_error(503, "DRAINING", "the server is shutting down");
    if (fq_admin_reply_is_error(reply, &code, &text)) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", FQ_STR_ARGS(code));
        return fq_admin_error(status_of_error(code), name, "%.*s", FQ_STR_ARGS(text));
    }
    json_t *json = fq_admin_json_of_reply(reply);
    if (json == NULL)
        return fq_admin_error(503, "OOM", "out of memory");
    return shaped(call, json);
}
