// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "server/admin_api.h"
#include "server/admin_guard.h"
#include "server/admin_json.h"

#define ID "123e4567-e89b-12d3-a456-426614174000"

struct query {
    const char *name, *value;
};

static const char *look_up(void *context, const char *name) {
    for (const struct query *each = context; each->name != NULL; each++)
        if (strcmp(each->name, name) == 0)
            return each->value;
    return NULL;
}

static const char *name_at(void *context, unsigned index) {
    const struct query *each = context;
    while (index > 0 && each->name != NULL) {
        each++;
        index--;
    }
    return each->name;
}

static struct fq_admin_request request_of(const char *method, const char *path, const struct query *queries,
                                          const char *body) {
    static const struct query none[] = {
        {NULL, NULL}
    };
    return (struct fq_admin_request){.method = method,
                                     .path = path,
                                     .query = look_up,
                                     .query_name = name_at,
                                     .context = (void *)(uintptr_t)(queries != NULL ? queries : none),
                                     .body = fq_str_of(body)};
}

// The call's arguments with blanks between them.
static void expect_call(const struct fq_admin_request *request, const char *expected) {
    struct fq_admin_call call;
    struct fq_admin_answer answer;
    if (!fq_admin_route(request, &call, &answer))
        fail_msg("%s: %d", request->path, answer.status);
    fq_buf text = {0};
    for (size_t i = 0; i < call.arg_count; i++)
        assert_int_equal(fq_buf_printf(&text, i > 0 ? " %.*s" : "%.*s", FQ_STR_ARGS(call.args[i])), 0);
    fq_buf_append_byte(&text, 0);
    assert_string_equal(fq_buf_str(&text).ptr, expected);
    fq_buf_done(&text);
    fq_admin_call_done(&call);
}

static void paths_become_commands(void **state) {
    (void)state;
    static const struct query filters[] = {
        {"status",   "pending"},
        {"name",     "a.b"    },
        {"priority", "high"   },
        {"worker",   "w"      },
        {"count",    "10"     },
        {"cursor",   "77"     },
        {NULL,       NULL     }
    };
    static const struct query of_dead[] = {
        {"name",   "a.b"},
        {"count",  "10" },
        {"cursor", "77" },
        {NULL,     NULL }
    };
    static const struct query wait[] = {
        {"wait", "500"},
        {NULL,   NULL }
    };
    struct fq_admin_request request = request_of("GET", "/api/v1/tasks", filters, "");
    expect_call(&request, "FQ.LIST STATUS pending NAME a.b PRIORITY high WORKER w COUNT 10 CURSOR 77");
    request = request_of("GET", "/api/v1/dead", of_dead, "");
    expect_call(&request, "FQ.DEAD LIST NAME a.b COUNT 10 CURSOR 77");
    request = request_of("GET", "/api/v1/queues", of_dead + 1, "");
    expect_call(&request, "FQ.QUEUES COUNT 10 CURSOR 77");
    request = request_of("GET", "/api/v1/workers", NULL, "");
    expect_call(&request, "FQ.WORKERS");
    request = request_of("GET", "/api/v1/stats", NULL, "");
    expect_call(&request, "FQ.STATS");
    request = request_of("GET", "/api/v1/tasks/" ID, NULL, "");
    expect_call(&request, "FQ.RESULT " ID);
    request = request_of("GET", "/api/v1/tasks/" ID, wait, "");
    expect_call(&request, "FQ.RESULT " ID " WAIT 500");
    request = request_of("POST", "/api/v1/tasks/" ID "/cancel", NULL, "");
    expect_call(&request, "FQ.CANCEL " ID);
}

static void bodies_become_submits(void **state) {
    (void)state;
    struct fq_admin_request request = request_of("POST", "/api/v1/tasks", NULL, "{\"name\":\"a.b\"}");
    expect_call(&request, "FQ.SUBMIT a.b {\"args\":[],\"kwargs\":{}}");
    request.body =
        FQ_STR("{\"name\":\"a\",\"args\":[1,\"x\"],\"kwargs\":{\"k\":2.5},\"retries\":3,\"unique\":\"u\","
               "\"result_ttl\":0,\"priority\":null}");
    expect_call(&request,
                "FQ.SUBMIT a {\"args\":[1,\"x\"],\"kwargs\":{\"k\":2.5}} RETRIES 3 UNIQUE u RESULT-TTL 0");
    request.body =
        FQ_STR("{\"name\":\"a\",\"payload\":\"bytes\",\"encoding\":\"raw\",\"traceparent\":\"mine\"}");
    request.traceparent = "header";
    request.tracestate = "s=1";
    expect_call(&request, "FQ.SUBMIT a bytes ENCODING raw TRACEPARENT mine TRACESTATE s=1");
}

static int refused_with(const struct fq_admin_request *request) {
    struct fq_admin_call call;
    struct fq_admin_answer answer = {0, NULL};
    if (fq_admin_route(request, &call, &answer))
        fail_msg("%s %.*s", request->path, FQ_STR_ARGS(request->body));
    assert_non_null(json_object_get(json_object_get(answer.body, "error"), "message"));
    json_decref(answer.body);
    return answer.status;
}

static void bad_requests_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *method, *path;
        int status;
    } rows[] = {
        {"GET",  "/",                           404},
        {"GET",  "/api/v1/task",                404},
        {"POST", "/api/v1/stats",               405},
        {"POST", "/api/v1/queues",              405},
        {"GET",  "/api/v1/tasks/",              400},
        {"GET",  "/api/v1/tasks/../stats",      400},
        {"GET",  "/api/v1/tasks/" ID "/",       404},
        {"GET",  "/api/v1/tasks/" ID "/cancel", 405},
        {"POST", "/api/v1/tasks/" ID,           405}
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_admin_request request = request_of(rows[i].method, rows[i].path, NULL, "{}");
        assert_int_equal(refused_with(&request), rows[i].status);
    }
    const char *bodies[] = {"",
                            "null",
                            "{\"name\":1}",
                            "{\"name\":\"a\",\"args\":{}}",
                            "{\"name\":\"a\",\"kwargs\":[]}",
                            "{\"name\":\"a\",\"payload\":{}}",
                            "{\"name\":\"a\",\"payload\":\"p\",\"kwargs\":{}}",
                            "{\"name\":\"a\",\"retries\":1.5}",
                            "{\"name\":\"a\",\"retries\":\"1\"}",
                            "{\"name\":\"a\",\"unknown\":1}",
                            "{\"name\":\"a\"} trailing"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct fq_admin_request request = request_of("POST", "/api/v1/tasks", NULL, bodies[i]);
        assert_int_equal(refused_with(&request), 400);
    }
    static const struct query waits[][2] = {
        {{"wait", "60001"}, {NULL, NULL}},
        {{"wait", "-1"},    {NULL, NULL}},
        {{"wait", "x"},     {NULL, NULL}}
    };
    for (size_t i = 0; i < 3; i++) {
        struct fq_admin_request request = request_of("GET", "/api/v1/tasks/" ID, waits[i], "");
        assert_int_equal(refused_with(&request), 400);
    }
    static const struct query unknown[] = {
        {"count", "3"    },
        {"evil",  "PURGE"},
        {NULL,    NULL   }
    };
    struct fq_admin_request request = request_of("GET", "/api/v1/tasks", unknown, "");
    assert_int_equal(refused_with(&request), 400);
}

static void expect_answer(enum fq_admin_shape shape, fq_str reply, int status, const char *json) {
    struct fq_admin_call call = {.shape = shape, .rows_key = "rows"};
    struct fq_admin_answer answer = fq_admin_answer_of(&call, reply);
    char *text = json_dumps(answer.body, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(text);
    assert_string_equal(text, json);
    assert_int_equal(answer.status, status);
    free(text);
    json_decref(answer.body);
}

static void replies_become_answers(void **state) {
    (void)state;
    expect_answer(FQ_ADMIN_OBJECT, FQ_STR("%2\r\n$1\r\na\r\n:-5\r\n$1\r\nb\r\n*2\r\n_\r\n#t\r\n"), 200,
                  "{\"a\":-5,\"b\":[null,true]}");
    expect_answer(FQ_ADMIN_OBJECT, FQ_STR("_\r\n"), 404,
                  "{\"error\":{\"code\":\"UNKNOWNTASK\",\"message\":\"no such task\"}}");
    expect_answer(FQ_ADMIN_OBJECT,
                  FQ_STR("%2\r\n$6\r\nresult\r\n$7\r\n{\"x\":1}\r\n$8\r\nencoding\r\n$4\r\njson\r\n"), 200,
                  "{\"result\":{\"x\":1},\"encoding\":\"json\"}");
    expect_answer(FQ_ADMIN_OBJECT,
                  FQ_STR("%2\r\n$6\r\nresult\r\n$7\r\n{\"x\":1}\r\n$8\r\nencoding\r\n$3\r\nraw\r\n"), 200,
                  "{\"result\":\"{\\\"x\\\":1}\",\"encoding\":\"raw\"}");
    expect_answer(FQ_ADMIN_OBJECT, FQ_STR("%1\r\n$1\r\nb\r\n$2\r\n\xff\xfe\r\n"), 200,
                  "{\"b\":{\"base64\":\"//4=\"}}");
    expect_answer(FQ_ADMIN_PAGE, FQ_STR("*2\r\n$1\r\n7\r\n*1\r\n%0\r\n"), 200,
                  "{\"cursor\":\"7\",\"rows\":[{}]}");
    expect_answer(FQ_ADMIN_ID, FQ_STR("$2\r\nid\r\n"), 201, "{\"id\":\"id\"}");
    expect_answer(FQ_ADMIN_CANCEL, FQ_STR(":0\r\n"), 200, "{\"cancelled\":false}");
    expect_answer(FQ_ADMIN_ID, FQ_STR("-FULL no room\r\n"), 503,
                  "{\"error\":{\"code\":\"FULL\",\"message\":\"no room\"}}");
    expect_answer(FQ_ADMIN_ID, FQ_STR("-NOPERM\r\n"), 403,
                  "{\"error\":{\"code\":\"NOPERM\",\"message\":\"\"}}");
    expect_answer(FQ_ADMIN_ID, FQ_STR(""), 503,
                  "{\"error\":{\"code\":\"DRAINING\",\"message\":\"the server is shutting down\"}}");
}

static void hosts_and_origins(void **state) {
    (void)state;
    const char *ours[] = {"127.0.0.1",        "127.0.0.1:8080", "localhost:8080",    "LOCALHOST",
                          "control-plane:80", "[::1]:8080",     "10.1.2.3",          "fq.local",
                          "a.b.svc",          "x.internal.",    "queue.example:8080"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!fq_admin_host_is_ours(fq_str_of(ours[i]), FQ_STR("queue.example")))
            fail_msg("%s", ours[i]);
    const char *others[] = {
        "",        ":8080", "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "local.example",
        ".local.x"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (fq_admin_host_is_ours(fq_str_of(others[i]), FQ_STR("queue.example")))
            fail_msg("%s", others[i]);
    assert_true(fq_admin_origin_is_ours(FQ_STR(""), FQ_STR("h:1")));
    assert_true(fq_admin_origin_is_ours(FQ_STR("http://h:1"), FQ_STR("h:1")));
    assert_true(fq_admin_origin_is_ours(FQ_STR("https://H:1"), FQ_STR("h:1")));
    assert_false(fq_admin_origin_is_ours(FQ_STR("http://h:2"), FQ_STR("h:1")));
    assert_false(fq_admin_origin_is_ours(FQ_STR("http://h:1.evil"), FQ_STR("h:1")));
    assert_false(fq_admin_origin_is_ours(FQ_STR("null"), FQ_STR("h:1")));
    assert_false(fq_admin_origin_is_ours(FQ_STR("file://h:1"), FQ_STR("h:1")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_become_commands),    cmocka_unit_test(bodies_become_submits),
        cmocka_unit_test(bad_requests_are_refused), cmocka_unit_test(replies_become_answers),
        cmocka_unit_test(hosts_and_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
