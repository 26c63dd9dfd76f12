// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/text_carrier.h"

#define TRACE "463ac35c9f6413ad48485a3953bb6124"
#define SPAN  "a2fb4a1d1a96d312"

static struct text_carrier heard, said;

static void begin(void) {
    heard.count = said.count = 0;
}
static otel_context *extract(enum otel_propagator_kind kind) {
    struct otel_carrier_reader reader = text_carrier_reader(&heard);
    return otel_extract(otel_propagator_builtin(kind), NULL, &reader);
}
static void inject(enum otel_propagator_kind kind, const otel_context *context) {
    struct otel_carrier_writer writer = text_carrier_writer(&said);
    otel_inject(otel_propagator_builtin(kind), context, &writer);
}
// The identity as a traceparent, or "none".
static const char *identity(const otel_context *context) {
    static char text[OTEL_TRACEPARENT_TEXT + 1];
    struct otel_span_context span;
    if (!otel_context_span_context(context, &span, NULL, NULL))
        return "none";
    assert_true(span.remote);
    otel_traceparent_format(&span, text);
    return text;
}

struct header_case {
    const char *header, *identity, *again; // again: what is injected, NULL = nothing
};

static void check_headers(enum otel_propagator_kind kind, const char *key, const struct header_case *cases,
                          size_t count) {
    for (size_t i = 0; i < count; i++) {
        begin();
        text_carrier_add(&heard, key, cases[i].header);
        otel_context *context = extract(kind);
        if (strcmp(identity(context), cases[i].identity) != 0)
            fail_msg("'%s': got %s, expected %s", cases[i].header, identity(context), cases[i].identity);
        inject(kind, context);
        const char *again = text_carrier_value(&said, key);
        if ((again == NULL) != (cases[i].again == NULL) ||
            (again != NULL && strcmp(again, cases[i].again) != 0))
            fail_msg("'%s': went on as '%s'", cases[i].header, again != NULL ? again : "nothing");
        otel_context_release(context);
    }
}

static void test_b3_single_header(void **state) {
    (void)state;
    static const struct header_case cases[] = {
        {TRACE "-" SPAN "-1",                           "00-" TRACE "-" SPAN "-01",                        TRACE "-" SPAN "-1"},
        {TRACE "-" SPAN "-0",                           "00-" TRACE "-" SPAN "-00",                        TRACE "-" SPAN "-0"},
        {TRACE "-" SPAN "-d",                           "00-" TRACE "-" SPAN "-01",                        TRACE "-" SPAN "-d"},
        {TRACE "-" SPAN,                                "00-" TRACE "-" SPAN "-00",                        TRACE "-" SPAN "-0"},
        {TRACE "-" SPAN "-1-0020000000000001",          "00-" TRACE "-" SPAN "-01",                        TRACE "-" SPAN "-1"},
        {"48485a3953bb6124-" SPAN "-1",                 "00-000000000000000048485a3953bb6124-" SPAN "-01",
         "000000000000000048485a3953bb6124-" SPAN "-1"                                                                        },
        {"0",                                           "none",                                            NULL               },
        {"1",                                           "none",                                            NULL               },
        {"",                                            "none",                                            NULL               },
        {TRACE,                                         "none",                                            NULL               },
        {TRACE "-" SPAN "-2",                           "none",                                            NULL               },
        {TRACE "-" SPAN "-1-00200000000000",            "none",                                            NULL               },
        {TRACE "-" SPAN "-1-0020000000000001-x",        "none",                                            NULL               },
        {"463ac35c9f6413a-" SPAN "-1",                  "none",                                            NULL               },
        {"00000000000000000000000000000000-" SPAN "-1", "none",                                            NULL               },
        {TRACE "-0000000000000000-1",                   "none",                                            NULL               },
        {"463ac35c9f6413ad48485a3953bb612x-" SPAN "-1", "none",                                            NULL               },
    };
    check_headers(OTEL_PROPAGATE_B3, "b3", cases, sizeof cases / sizeof cases[0]);
}

static void test_b3_multi_header(void **state) {
    (void)state;
    static const struct {
        const char *sampled, *flags, *identity, *sampled_again, *flags_again;
    } cases[] = {
        {"1",     NULL, "00-" TRACE "-" SPAN "-01", "1",  NULL},
        {"true",  NULL, "00-" TRACE "-" SPAN "-01", "1",  NULL},
        {"0",     NULL, "00-" TRACE "-" SPAN "-00", "0",  NULL},
        {"false", NULL, "00-" TRACE "-" SPAN "-00", "0",  NULL},
        {NULL,    NULL, "00-" TRACE "-" SPAN "-00", "0",  NULL},
        {NULL,    "1",  "00-" TRACE "-" SPAN "-01", NULL, "1" },
        {"x",     NULL, "none",                     NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        text_carrier_add(&heard, "X-B3-TraceId", TRACE);
        text_carrier_add(&heard, "X-B3-SpanId", SPAN);
        text_carrier_add(&heard, "X-B3-ParentSpanId", "0020000000000001");
        if (cases[i].sampled != NULL)
            text_carrier_add(&heard, "X-B3-Sampled", cases[i].sampled);
        if (cases[i].flags != NULL)
            text_carrier_add(&heard, "X-B3-Flags", cases[i].flags);
        otel_context *context = extract(OTEL_PROPAGATE_B3MULTI);
        assert_string_equal(identity(context), cases[i].identity);
        inject(OTEL_PROPAGATE_B3MULTI, context);
        const char *sampled = text_carrier_value(&said, "x-b3-sampled"),
                   *flags = text_carrier_value(&said, "x-b3-flags");
        assert_string_equal(sampled != NULL ? sampled : "-",
                            cases[i].sampled_again != NULL ? cases[i].sampled_again : "-");
        assert_string_equal(flags != NULL ? flags : "-",
                            cases[i].flags_again != NULL ? cases[i].flags_again : "-");
        assert_null(text_carrier_value(&said, "x-b3-parentspanid"));
        otel_context_release(context);
    }
}

static void test_b3_single_header_wins_over_multi(void **state) {
    (void)state;
    begin();
    text_carrier_add(&heard, "x-b3-traceid", "11111111111111111111111111111111");
    text_carrier_add(&heard, "x-b3-spanid", "1111111111111111");
    text_carrier_add(&heard, "b3", TRACE "-" SPAN "-1");
    otel_context *context = extract(OTEL_PROPAGATE_B3);
    assert_string_equal(identity(context), "00-" TRACE "-" SPAN "-01");
    otel_context_release(context);
    // A bad one does not hide the others.
    strcpy(heard.at[2].value, "nonsense");
    heard.at[2].len = 8;
    context = extract(OTEL_PROPAGATE_B3);
    assert_string_equal(identity(context), "00-11111111111111111111111111111111-1111111111111111-00");
    otel_context_release(context);
}

static void test_jaeger_header(void **state) {
    (void)state;
    static const struct header_case cases[] = {
        {TRACE ":" SPAN ":0:1",           "00-" TRACE "-" SPAN "-01",                                TRACE ":" SPAN ":0:1"},
        {TRACE ":" SPAN ":0:0",           "00-" TRACE "-" SPAN "-00",                                TRACE ":" SPAN ":0:0"},
        {TRACE ":" SPAN ":0:3",           "00-" TRACE "-" SPAN "-01",                                TRACE ":" SPAN ":0:3"},
        {TRACE ":" SPAN ":0:2",           "00-" TRACE "-" SPAN "-01",                                TRACE ":" SPAN ":0:3"},
        {TRACE ":" SPAN ":0:01",          "00-" TRACE "-" SPAN "-01",                                TRACE ":" SPAN ":0:1"},
        {TRACE "%3A" SPAN "%3a0%3A1",     "00-" TRACE "-" SPAN "-01",                                TRACE ":" SPAN ":0:1"},
        {"48485a3953bb6124:1a96d312:7:1", "00-000000000000000048485a3953bb6124-000000001a96d312-01",
         "000000000000000048485a3953bb6124:000000001a96d312:0:1"                                                          },
        {"1:2::1",                        "00-00000000000000000000000000000001-0000000000000002-01",
         "00000000000000000000000000000001:0000000000000002:0:1"                                                          },
        {"0:" SPAN ":0:1",                "none",                                                    NULL                 },
        {TRACE ":0:0:1",                  "none",                                                    NULL                 },
        {TRACE ":" SPAN ":0",             "none",                                                    NULL                 },
        {TRACE ":" SPAN ":0:",            "none",                                                    NULL                 },
        {TRACE ":" SPAN ":0:1:1",         "none",                                                    NULL                 },
        {TRACE "0:" SPAN ":0:1",          "none",                                                    NULL                 },
        {"x:" SPAN ":0:1",                "none",                                                    NULL                 },
        {"",                              "none",                                                    NULL                 },
    };
    check_headers(OTEL_PROPAGATE_JAEGER, "uber-trace-id", cases, sizeof cases / sizeof cases[0]);
}

static void test_jaeger_baggage(void **state) {
    (void)state;
    begin();
    text_carrier_add(&heard, "Uberctx-user", "J%C3%A9r%20K");
    text_carrier_add(&heard, "jaeger-baggage", "tier=gold");
    otel_context *context = extract(OTEL_PROPAGATE_JAEGER);
    assert_string_equal(otel_baggage_get(otel_context_baggage(context), "user"), "J\xc3\xa9r K");
    assert_string_equal(otel_baggage_get(otel_context_baggage(context), "tier"), "gold");
    inject(OTEL_PROPAGATE_JAEGER, context);
    assert_string_equal(text_carrier_value(&said, "uberctx-user"), "J%c3%a9r%20K");
    assert_string_equal(text_carrier_value(&said, "uberctx-tier"), "gold");
    otel_context_release(context);
}

static void test_composite_propagator(void **state) {
    (void)state;
    const otel_propagator *parts[] = {otel_propagator_by_name("tracecontext"), otel_propagator_by_name("B3"),
                                      otel_propagator_by_name("baggage"), otel_propagator_by_name("b3")};
    otel_propagator *composite = otel_propagator_composite(parts, 4);
    begin();
    text_carrier_add(&heard, "b3", TRACE "-" SPAN "-1");
    text_carrier_add(&heard, "baggage", "a=1");
    struct otel_carrier_reader reader = text_carrier_reader(&heard);
    struct otel_carrier_writer writer = text_carrier_writer(&said);
    otel_context *context = otel_extract(composite, NULL, &reader);
    assert_string_equal(identity(context), "00-" TRACE "-" SPAN "-01");
    assert_string_equal(otel_baggage_get(otel_context_baggage(context), "a"), "1");
    otel_inject(composite, context, &writer);
    assert_string_equal(text_carrier_value(&said, "traceparent"), "00-" TRACE "-" SPAN "-01");
    assert_string_equal(text_carrier_value(&said, "b3"), TRACE "-" SPAN "-1");
    assert_string_equal(text_carrier_value(&said, "baggage"), "a=1");
    otel_context_release(context);
    // The later one has the last word.
    text_carrier_add(&heard, "traceparent", "00-11111111111111111111111111111111-1111111111111111-01");
    context = otel_extract(composite, NULL, &reader);
    assert_string_equal(identity(context), "00-" TRACE "-" SPAN "-01");
    otel_context_release(context);
    assert_null(otel_propagator_free(composite));
}

static void test_propagator_fields(void **state) {
    (void)state;
    static const struct {
        const char *name, *fields;
    } cases[] = {
        {"tracecontext", "traceparent tracestate "                          },
        {"baggage",      "baggage "                                         },
        {"b3",           "b3 "                                              },
        {"b3multi",      "x-b3-traceid x-b3-spanid x-b3-sampled x-b3-flags "},
        {"jaeger",       "uber-trace-id "                                   },
    };
    const otel_propagator *all[5];
    for (size_t i = 0; i < 5; i++) {
        char text[128] = "";
        all[i] = otel_propagator_by_name(cases[i].name);
        for (const char *const *field = otel_propagator_fields(all[i]); *field != NULL; field++) {
            strcat(text, *field);
            strcat(text, " ");
        }
        assert_string_equal(text, cases[i].fields);
    }
    otel_propagator *composite = otel_propagator_composite(all, 5);
    size_t count = 0;
    while (otel_propagator_fields(composite)[count] != NULL)
        count++;
    assert_int_equal(count, 9);
    otel_propagator_free(composite);
    assert_null(otel_propagator_by_name("xray"));
    assert_null(otel_propagator_by_name(""));
    assert_null(otel_propagator_by_name(NULL));
}

// A propagator of the program's own: carries one value under its own key.
static const otel_context_key *own_key;
static void own_inject(void *self, const otel_context *context, const struct otel_carrier_writer *writer) {
    const char *value = otel_context_value(context, own_key);
    if (value != NULL)
        writer->set(writer->carrier, self, value, strlen(value));
}
static otel_context *own_extract(void *self, const otel_context *context,
                                 const struct otel_carrier_reader *reader) {
    size_t len;
    const char *value = reader->get(reader->carrier, self, 0, &len);
    return value == NULL ? otel_context_retain(context)
                         : otel_context_with_value(context, own_key, strndup(value, len), free);
}

static void test_global_propagator(void **state) {
    (void)state;
    static const char *const fields[] = {"x-tenant", NULL};
    static const struct otel_propagator_ops ops = {
        .inject = own_inject, .extract = own_extract, .fields = fields};
    static char key[] = "x-tenant";
    own_key = otel_context_key_new("tenant");
    begin();
    struct otel_carrier_reader reader = text_carrier_reader(&heard);
    struct otel_carrier_writer writer = text_carrier_writer(&said);
    assert_string_equal(otel_propagator_fields(otel_propagator_global())[0], "traceparent");
    otel_propagator *own = otel_propagator_new(&ops, key);
    const otel_propagator *parts[] = {own, otel_propagator_by_name("baggage")};
    otel_propagator *both = otel_propagator_composite(parts, 2);
    const otel_propagator *lacking[] = {own, otel_propagator_by_name("none-such")};
    assert_null(otel_propagator_composite(lacking, 2));
    otel_propagator_free(own); // the composite one keeps it
    otel_propagator_set_global(both);
    text_carrier_add(&heard, "X-Tenant", "acme");
    text_carrier_add(&heard, "traceparent", "00-" TRACE "-" SPAN "-01");
    otel_context *context = otel_extract(NULL, NULL, &reader);
    assert_string_equal(otel_context_value(context, own_key), "acme");
    assert_string_equal(identity(context), "none");
    struct otel_scope scope;
    otel_scope_enter(&scope, context);
    otel_inject(NULL, NULL, &writer); // what is current
    otel_scope_leave(&scope);
    assert_string_equal(text_carrier_value(&said, "x-tenant"), "acme");
    otel_propagator_set_global(NULL);
    assert_string_equal(otel_propagator_fields(otel_propagator_global())[0], "traceparent");
    otel_context_release(context);
    otel_propagator_free(both);
    free((void *)(uintptr_t)own_key);
}

// Getter and setter see the keys as they are, and the carrier.
struct odd_carrier {
    int asked, set;
};
static const char *odd_get(void *carrier, const char *key, size_t index, size_t *ret_len) {
    struct odd_carrier *odd = carrier;
    odd->asked++;
    if (strcmp(key, "traceparent") != 0 || index > 0)
        return NULL;
    *ret_len = OTEL_TRACEPARENT_TEXT; // not NUL-terminated there
    return "00-" TRACE "-" SPAN "-01garbage";
}
static void odd_set(void *carrier, const char *key, const char *value, size_t len) {
    struct odd_carrier *odd = carrier;
    odd->set++;
    assert_string_equal(key, "traceparent");
    assert_int_equal(len, OTEL_TRACEPARENT_TEXT);
    assert_memory_equal(value, "00-" TRACE "-" SPAN "-01", len);
}
static void test_getter_and_setter_arguments(void **state) {
    (void)state;
    struct odd_carrier odd = {0};
    struct otel_carrier_reader reader = {.get = odd_get, .carrier = &odd};
    struct otel_carrier_writer writer = {.set = odd_set, .carrier = &odd};
    otel_context *context = otel_extract(NULL, NULL, &reader);
    assert_true(odd.asked >= 2);
    otel_inject(NULL, context, &writer);
    assert_int_equal(odd.set, 1);
    otel_context_release(context);
}

static void test_getter_that_returns_keys(void **state) {
    (void)state;
    begin();
    text_carrier_add(&heard, "uberctx-a", "1");
    text_carrier_add(&heard, "unrelated", "2");
    text_carrier_add(&heard, "UBERCTX-b", "3");
    otel_context *context = extract(OTEL_PROPAGATE_JAEGER);
    assert_int_equal(otel_baggage_count(otel_context_baggage(context)), 2);
    assert_string_equal(otel_baggage_get(otel_context_baggage(context), "b"), "3");
    otel_context_release(context);
}

static const char *one_variable(void *context, const char *name) {
    return strcmp(name, "X_B3_TRACEID") == 0 ? context : NULL;
}
static void no_variable(void *context, const char *name, const char *value) {
    (void)value;
    strcpy(context, name);
}
static void test_environment_variables_as_carrier(void **state) {
    (void)state;
    struct otel_carrier_reader reader = otel_environment_reader(NULL);
    struct otel_carrier_writer writer = otel_environment_writer(NULL);
    unsetenv("TRACEPARENT");
    unsetenv("TRACESTATE");
    setenv("BAGGAGE", "", 1); // empty is unset
    assert_null(otel_extract(NULL, NULL, &reader));
    setenv("TRACEPARENT", "00-" TRACE "-" SPAN "-01", 1);
    setenv("TRACESTATE", "a=1", 1);
    setenv("BAGGAGE", "b=2", 1);
    otel_context *context = otel_extract(NULL, NULL, &reader);
    assert_string_equal(identity(context), "00-" TRACE "-" SPAN "-01");
    assert_string_equal(otel_baggage_get(otel_context_baggage(context), "b"), "2");
    unsetenv("TRACEPARENT");
    unsetenv("TRACESTATE");
    unsetenv("BAGGAGE");
    otel_inject(NULL, context, &writer);
    assert_string_equal(getenv("TRACEPARENT"), "00-" TRACE "-" SPAN "-01");
    assert_string_equal(getenv("TRACESTATE"), "a=1");
    assert_string_equal(getenv("BAGGAGE"), "b=2");
    otel_context_release(context);

    // An environment that is to be, and how keys become names.
    char text[32] = "value";
    const struct otel_environment environment = {.get = one_variable, .set = no_variable, .context = text};
    reader = otel_environment_reader(&environment);
    writer = otel_environment_writer(&environment);
    size_t len;
    assert_string_equal(reader.get(reader.carrier, "x-b3-traceid", 0, &len), "value");
    assert_int_equal(len, 5);
    assert_null(reader.get(reader.carrier, "x-b3-traceid", 1, &len));
    writer.set(writer.carrier, "9.uber-trace-id", "", 0);
    assert_string_equal(text, "_9_UBER_TRACE_ID");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b3_single_header),
        cmocka_unit_test(test_b3_multi_header),
        cmocka_unit_test(test_b3_single_header_wins_over_multi),
        cmocka_unit_test(test_jaeger_header),
        cmocka_unit_test(test_jaeger_baggage),
        cmocka_unit_test(test_composite_propagator),
        cmocka_unit_test(test_propagator_fields),
        cmocka_unit_test(test_global_propagator),
        cmocka_unit_test(test_getter_and_setter_arguments),
        cmocka_unit_test(test_getter_that_returns_keys),
        cmocka_unit_test(test_environment_variables_as_carrier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
