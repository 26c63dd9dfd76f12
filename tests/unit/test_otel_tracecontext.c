// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "support/text_carrier.h"

// The rules of W3C trace-context level 2, one row each: what arrives, and what goes on to the next process.
#define TRACE  "0123456789abcdef0123456789abcdef"
#define SPAN   "0123456789abcdef"
#define PARENT "00-" TRACE "-" SPAN "-01"

struct parent_case {
    const char *name, *header;
    const char *onward; // NULL = no parent: a trace of its own begins
};
static const struct parent_case parent_cases[] = {
    {"sampled",                       PARENT,                                            PARENT                    },
    {"not sampled",                   "00-" TRACE "-" SPAN "-00",                        "00-" TRACE "-" SPAN "-00"},
    {"sampled and random",            "00-" TRACE "-" SPAN "-03",                        "00-" TRACE "-" SPAN "-03"},
    {"random only",                   "00-" TRACE "-" SPAN "-02",                        "00-" TRACE "-" SPAN "-02"},
    {"unknown flags are not sent on", "00-" TRACE "-" SPAN "-ff",                        "00-" TRACE "-" SPAN "-03"},
    {"blanks around it",              " \t" PARENT "\t ",                                PARENT                    },
    {"version ff",                    "ff-" TRACE "-" SPAN "-01",                        NULL                      },
    {"version 00 with more",          PARENT "-extra",                                   NULL                      },
    {"version 00 with a dash",        PARENT "-",                                        NULL                      },
    {"version cc",                    "cc-" TRACE "-" SPAN "-01",                        PARENT                    },
    {"version cc with more",          "cc-" TRACE "-" SPAN "-01-what-ever",              PARENT                    },
    {"version cc with a dash",        "cc-" TRACE "-" SPAN "-01-",                       PARENT                    },
    {"version cc not separated",      "cc-" TRACE "-" SPAN "-01.what",                   NULL                      },
    {"version of one digit",          "0-" TRACE "-" SPAN "-01",                         NULL                      },
    {"version of three digits",       "000-" TRACE "-" SPAN "-01",                       NULL                      },
    {"version not hexadecimal",       ".0-" TRACE "-" SPAN "-01",                        NULL                      },
    {"version in upper case",         "CC-" TRACE "-" SPAN "-01",                        NULL                      },
    {"trace id all zero",             "00-00000000000000000000000000000000-" SPAN "-01", NULL                      },
    {"trace id in upper case",        "00-0123456789ABCDEF0123456789abcdef-" SPAN "-01", NULL                      },
    {"trace id not hexadecimal",      "00-.123456789abcdef0123456789abcdef-" SPAN "-01", NULL                      },
    {"trace id too short",            "00-123456789abcdef0123456789abcdef-" SPAN "-01",  NULL                      },
    {"trace id too long",             "00-0" TRACE "-" SPAN "-01",                       NULL                      },
    {"span id all zero",              "00-" TRACE "-0000000000000000-01",                NULL                      },
    {"span id in upper case",         "00-" TRACE "-0123456789ABCDEF-01",                NULL                      },
    {"span id not hexadecimal",       "00-" TRACE "-.123456789abcdef-01",                NULL                      },
    {"span id too short",             "00-" TRACE "-123456789abcdef-01",                 NULL                      },
    {"span id too long",              "00-" TRACE "-0" SPAN "-01",                       NULL                      },
    {"flags not hexadecimal",         "00-" TRACE "-" SPAN "-.0",                        NULL                      },
    {"flags in upper case",           "00-" TRACE "-" SPAN "-0A",                        NULL                      },
    {"flags too short",               "00-" TRACE "-" SPAN "-1",                         NULL                      },
    {"flags too long",                "00-" TRACE "-" SPAN "-001",                       NULL                      },
    {"no dashes",                     "00_" TRACE "_" SPAN "_01",                        NULL                      },
    {"empty",                         "",                                                NULL                      },
    {"cut",                           "00-" TRACE "-" SPAN,                              NULL                      },
};

// Through a process: what it hears is extracted, what it says is injected.
static void pass_on(struct text_carrier *heard, struct text_carrier *said) {
    const otel_propagator *propagator = otel_propagator_builtin(OTEL_PROPAGATE_TRACECONTEXT);
    struct otel_carrier_reader reader = text_carrier_reader(heard);
    struct otel_carrier_writer writer = text_carrier_writer(said);
    otel_context *context = otel_extract(propagator, NULL, &reader);
    struct otel_span_context span;
    if (otel_context_span_context(context, &span, NULL, NULL))
        assert_true(span.remote);
    if (context != NULL)
        otel_inject(propagator, context, &writer);
    otel_context_release(context);
}

static void assert_text(const char *name, const char *actual, const char *expected) {
    if (expected == NULL && actual != NULL)
        fail_msg("%s: got '%s', expected none", name, actual);
    else if (expected != NULL && actual == NULL)
        fail_msg("%s: got none, expected '%s'", name, expected);
    else if (expected != NULL && strcmp(actual, expected) != 0)
        fail_msg("%s: got '%s', expected '%s'", name, actual, expected);
}

static void test_w3c_traceparent_rules(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof parent_cases / sizeof parent_cases[0]; i++) {
        static struct text_carrier heard, said;
        heard.count = said.count = 0;
        text_carrier_add(&heard, "traceparent", parent_cases[i].header);
        text_carrier_add(&heard, "tracestate", "foo=1");
        pass_on(&heard, &said);
        assert_text(parent_cases[i].name, text_carrier_value(&said, "traceparent"), parent_cases[i].onward);
        // A bad parent takes its state with it.
        assert_text(parent_cases[i].name, text_carrier_value(&said, "tracestate"),
                    parent_cases[i].onward != NULL ? "foo=1" : NULL);
    }
}

static void test_w3c_traceparent_header_name_in_any_case(void **state) {
    (void)state;
    static const char *const names[] = {"TraceParent", "TRACEPARENT", "TrAcEpArEnT"};
    for (size_t i = 0; i < 3; i++) {
        static struct text_carrier heard, said;
        heard.count = said.count = 0;
        text_carrier_add(&heard, names[i], PARENT);
        pass_on(&heard, &said);
        assert_text(names[i], text_carrier_value(&said, "traceparent"), PARENT);
    }
}

static void test_w3c_traceparent_that_comes_twice_is_none(void **state) {
    (void)state;
    static struct text_carrier heard, said;
    heard.count = said.count = 0;
    text_carrier_add(&heard, "traceparent", PARENT);
    text_carrier_add(&heard, "traceparent", "00-" TRACE "-aaaaaaaaaaaaaaaa-01");
    pass_on(&heard, &said);
    assert_int_equal(said.count, 0);
}

#define K32                                                                                                  \
    "a1=1,a2=1,a3=1,a4=1,a5=1,a6=1,a7=1,a8=1,b1=1,b2=1,b3=1,b4=1,b5=1,b6=1,b7=1,b8=1,"                       \
    "c1=1,c2=1,c3=1,c4=1,c5=1,c6=1,c7=1,c8=1,d1=1,d2=1,d3=1,d4=1,d5=1,d6=1,d7=1,d8=1"
#define X32  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X32 X32 X32 X32
#define X256 X128 X128

struct state_case {
    const char *name, *headers[3];
    const char *onward; // NULL = none; the parent goes on all the same
};
static const struct state_case state_cases[] = {
    {"one member",                {"foo=1"},                   "foo=1"            },
    {"order is kept",             {"foo=1,bar=2"},             "foo=1,bar=2"      },
    {"several headers are one",   {"foo=1", "bar=2", "baz=3"}, "foo=1,bar=2,baz=3"},
    {"empty headers among them",  {"foo=1", "", "bar=2"},      "foo=1,bar=2"      },
    {"empty",                     {""},                        NULL               },
    {"empty members",             {"foo=1,,bar=2,"},           "foo=1,bar=2"      },
    {"blanks around members",     {" foo=1 \t , \t bar=2 \t"}, "foo=1,bar=2"      },
    {"blanks begin a value",      {"foo= 1"},                  "foo= 1"           },
    {"blanks inside a value",     {"foo=a b"},                 "foo=a b"          },
    {"duplicates may stay",       {"foo=1,foo=2"},             "foo=1,foo=2"      },
    {"32 members",                {K32},                       K32                },
    {"33 members",                {K32 ",e1=1"},               NULL               },
    {"33 members in two headers", {K32, "e1=1"},               NULL               },
    {"key begins with a digit",   {"0foo=1"},                  "0foo=1"           },
    {"key with all it may hold",  {"a-_*/@b0=1"},              "a-_*/@b0=1"       },
    {"key of a tenant",           {"tenant@system=1"},         "tenant@system=1"  },
    {"key begins with a sign",    {"@foo=1"},                  NULL               },
    {"key with two signs",        {"foo@@bar=1"},              "foo@@bar=1"       },
    {"key in upper case",         {"Foo=1"},                   NULL               },
    {"key with a blank",          {"foo =1"},                  NULL               },
    {"key with a dot",            {"foo.bar=1"},               NULL               },
    {"no key",                    {"=1"},                      NULL               },
    {"no value",                  {"foo="},                    NULL               },
    {"no equals sign",            {"foo"},                     NULL               },
    {"two equals signs",          {"foo=bar=baz"},             NULL               },
    {"one bad member spoils all", {"foo=1,BAR=2"},             NULL               },
    {"value with a control byte", {"foo=a\x01"},               NULL               },
    {"value beyond ASCII",        {"foo=\xc3\xa9"},            NULL               },
    {"value of the longest kind", {"a=" X256},                 "a=" X256          },
    {"value too long",            {"a=" X256 "x"},             NULL               },
    {"key of the longest kind",   {X256 "=1"},                 X256 "=1"          },
    {"key too long",              {X256 "x=1"},                NULL               },
    {"all printable characters",
     {"foo=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~"},
     "foo=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~"                                       },
};

static void test_w3c_tracestate_rules(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof state_cases / sizeof state_cases[0]; i++) {
        static struct text_carrier heard, said;
        heard.count = said.count = 0;
        text_carrier_add(&heard, "traceparent", PARENT);
        for (size_t j = 0; j < 3 && state_cases[i].headers[j] != NULL; j++)
            text_carrier_add(&heard, "TraceState", state_cases[i].headers[j]);
        pass_on(&heard, &said);
        assert_text(state_cases[i].name, text_carrier_value(&said, "traceparent"), PARENT);
        assert_text(state_cases[i].name, text_carrier_value(&said, "tracestate"), state_cases[i].onward);
    }
}

static void test_w3c_tracestate_without_parent_is_ignored(void **state) {
    (void)state;
    static struct text_carrier heard, said;
    heard.count = said.count = 0;
    text_carrier_add(&heard, "tracestate", "foo=1");
    pass_on(&heard, &said);
    assert_int_equal(said.count, 0);
}

// 512 bytes go on whole; beyond that the long members go first, then those on the right.
static void test_w3c_tracestate_is_cut_by_whole_members(void **state) {
    (void)state;
    static struct text_carrier heard, said;
    heard.count = said.count = 0;
    text_carrier_add(&heard, "traceparent", PARENT);
    text_carrier_add(&heard, "tracestate",
                     "a=" X128 ",b=" X32 ",c=" X32 X32 X32 X32 ",d=" X32 X32 X32 ",e=" X32 X32 X32
                     ",f=1,g=" X32);
    pass_on(&heard, &said);
    assert_string_equal(text_carrier_value(&said, "tracestate"),
                        "a=" X128 ",b=" X32 ",d=" X32 X32 X32 ",e=" X32 X32 X32 ",f=1,g=" X32);
    heard.count = said.count = 0;
    text_carrier_add(&heard, "traceparent", PARENT);
    text_carrier_add(&heard, "tracestate",
                     "a=" X32 X32 X32 ",b=" X32 X32 X32 ",c=" X32 X32 X32 ",d=" X32 X32 X32 ",e=" X32 X32 X32
                     ",f=" X32 X32 X32);
    pass_on(&heard, &said);
    assert_string_equal(text_carrier_value(&said, "tracestate"),
                        "a=" X32 X32 X32 ",b=" X32 X32 X32 ",c=" X32 X32 X32 ",d=" X32 X32 X32
                        ",e=" X32 X32 X32);
}

static void test_extract_never_fails_and_inject_of_nothing_writes_nothing(void **state) {
    (void)state;
    static struct text_carrier heard, said;
    struct otel_carrier_reader reader = text_carrier_reader(&heard);
    struct otel_carrier_writer writer = text_carrier_writer(&said);
    heard.count = said.count = 0;
    assert_null(otel_extract(NULL, NULL, &reader));
    otel_inject(NULL, NULL, &writer);
    assert_int_equal(said.count, 0);
    // An identity of zeros is none.
    struct otel_span_context zero = {0};
    otel_context *context = otel_context_with_span_context(NULL, &zero, NULL, 0);
    otel_inject(NULL, context, &writer);
    assert_int_equal(said.count, 0);
    // What was there stays when the carrier has nothing better.
    text_carrier_add(&heard, "traceparent", "nonsense");
    otel_context *same = otel_extract(NULL, context, &reader);
    assert_ptr_equal(same, context);
    otel_context_release(same);
    otel_context_release(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_w3c_traceparent_rules),
        cmocka_unit_test(test_w3c_traceparent_header_name_in_any_case),
        cmocka_unit_test(test_w3c_traceparent_that_comes_twice_is_none),
        cmocka_unit_test(test_w3c_tracestate_rules),
        cmocka_unit_test(test_w3c_tracestate_without_parent_is_ignored),
        cmocka_unit_test(test_w3c_tracestate_is_cut_by_whole_members),
        cmocka_unit_test(test_extract_never_fails_and_inject_of_nothing_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
