// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "support/text_carrier.h"

static otel_baggage *parse(const char *header) {
    return otel_baggage_parse(header, strlen(header));
}

// A header through parse and format.
struct baggage_case {
    const char *name, *header, *again;
};
static const struct baggage_case cases[] = {
    {"one member",                  "a=1",               "a=1"                  },
    {"several",                     "a=1,b=2",           "a=1,b=2"              },
    {"blanks around everything",    " a = 1 , b\t=\t2 ", "a=1,b=2"              },
    {"metadata",                    "a=1;ttl=3;x, b=2",  "a=1;ttl=3;x,b=2"      },
    {"blanks around metadata",      "a=1 ; ttl = 3 ",    "a=1;ttl = 3"          },
    {"an empty value",              "a=",                "a="                   },
    {"escapes",                     "a=%20%2C%25",       "a=%20%2C%25"          },
    {"escapes that need none",      "a=%41",             "a=A"                  },
    {"escapes in lower case",       "a=%c3%a9",          "a=%C3%A9"             },
    {"a percent sign by itself",    "a=1%,b=%zz,c=%4",   "a=1%25,b=%25zz,c=%254"},
    {"broken UTF-8",                "a=%FF%41",          "a=%EF%BF%BDA"         },
    {"a NUL",                       "a=x%00y",           "a=x%EF%BF%BDy"        },
    {"an equals sign in the value", "a=b=c",             "a=b=c"                },
    {"the last one of a key",       "a=1,b=2,a=3",       "a=3,b=2"              },
    {"no equals sign",              "a,b=2",             "b=2"                  },
    {"no key",                      "=1,b=2",            "b=2"                  },
    {"a key that is no token",      "a b=1,(=1,b=2",     "b=2"                  },
    {"a key with an escape stays",  "%41=1",             "%41=1"                },
    {"a value with a quote",        "a=\"x\",b=2",       "b=2"                  },
    {"a value with a backslash",    "a=\\,b=2",          "b=2"                  },
    {"a value beyond ASCII",        "a=\xc3\xa9,b=2",    "b=2"                  },
    {"a blank inside a value",      "a=x y,b=2",         "b=2"                  },
    {"metadata with a quote",       "a=1;p=\"x\",b=2",   "b=2"                  },
    {"empty members",               ",,a=1,,",           "a=1"                  },
    {"nothing",                     "",                  ""                     },
    {"nothing that counts",         ";;;,===,",          ""                     },
};

static void test_baggage_header_rules(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        otel_baggage *baggage = parse(cases[i].header);
        size_t len = otel_baggage_format(baggage, text, sizeof text - 1);
        text[len] = '\0';
        if (strcmp(text, cases[i].again) != 0)
            fail_msg("%s: got '%s', expected '%s'", cases[i].name, text, cases[i].again);
        assert_int_equal(baggage == NULL, cases[i].again[0] == '\0');
        otel_baggage_release(baggage);
    }
}

static void test_baggage_values_are_decoded(void **state) {
    (void)state;
    otel_baggage *baggage = parse("user=J%C3%A9r%C3%B4me%20K;tier=gold,empty=");
    const char *key, *value, *metadata;
    assert_int_equal(otel_baggage_count(baggage), 2);
    assert_string_equal(otel_baggage_get(baggage, "user"), "J\xc3\xa9r\xc3\xb4me K");
    assert_string_equal(otel_baggage_get(baggage, "empty"), "");
    assert_null(otel_baggage_get(baggage, "USER"));
    assert_null(otel_baggage_get(NULL, "user"));
    otel_baggage_at(baggage, 0, &key, &value, &metadata);
    assert_string_equal(key, "user");
    assert_string_equal(metadata, "tier=gold");
    otel_baggage_at(baggage, 1, &key, &value, &metadata);
    assert_string_equal(metadata, "");
    otel_baggage_release(baggage);
}

static void test_baggage_is_never_changed(void **state) {
    (void)state;
    otel_baggage *one = otel_baggage_with(NULL, "a", "1", NULL);
    otel_baggage *two = otel_baggage_with(one, "b", "x y", "p=1");
    otel_baggage *three = otel_baggage_with(two, "a", "2", NULL);
    otel_baggage *four = otel_baggage_without(three, "b");
    char text[64];
    assert_int_equal(otel_baggage_count(one), 1);
    text[otel_baggage_format(two, text, sizeof text - 1)] = '\0';
    assert_string_equal(text, "a=1,b=x%20y;p=1");
    assert_string_equal(otel_baggage_get(three, "a"), "2");
    assert_string_equal(otel_baggage_get(one, "a"), "1");
    assert_int_equal(otel_baggage_count(four), 1);
    assert_null(otel_baggage_without(four, "a"));
    otel_baggage_release(one);
    otel_baggage_release(two);
    otel_baggage_release(three);
    otel_baggage_release(four);
}

static void test_baggage_refuses_what_would_break_the_header(void **state) {
    (void)state;
    assert_null(otel_baggage_with(NULL, "a b", "1", NULL));
    assert_null(otel_baggage_with(NULL, "", "1", NULL));
    assert_null(otel_baggage_with(NULL, NULL, "1", NULL));
    assert_null(otel_baggage_with(NULL, "a", "1", "x,b=2"));
    assert_null(otel_baggage_with(NULL, "a", "1", "x\r\nSet-Cookie: y"));
    otel_baggage *odd = otel_baggage_with(NULL, "a", "\xff,\r\n;", NULL);
    char text[64];
    text[otel_baggage_format(odd, text, sizeof text - 1)] = '\0';
    assert_string_equal(text, "a=%EF%BF%BD%2C%0D%0A%3B");
    otel_baggage_release(odd);
}

// 8,192 bytes and 180 members; what is beyond is left out by whole members.
static void test_baggage_limits(void **state) {
    (void)state;
    static char header[OTEL_BAGGAGE_BYTES_MAX * 2], text[OTEL_BAGGAGE_BYTES_MAX * 2];
    size_t len = 0;
    for (int i = 0; i < 200; i++)
        len += (size_t)snprintf(header + len, sizeof header - len, "%sk%03d=v", i > 0 ? "," : "", i);
    otel_baggage *many = parse(header);
    assert_int_equal(otel_baggage_count(many), OTEL_BAGGAGE_MEMBERS_MAX);
    assert_null(otel_baggage_with(many, "another", "1", NULL));
    otel_baggage *replaced = otel_baggage_with(many, "k000", "w", NULL);
    assert_non_null(replaced);
    otel_baggage_release(replaced);
    otel_baggage_release(many);

    len = 0;
    for (int i = 0; i < 9; i++)
        len +=
            (size_t)snprintf(header + len, sizeof header - len, "%sk%d=%0*d", i > 0 ? "," : "", i, 1000, 7);
    otel_baggage *big = parse(header);
    assert_int_equal(otel_baggage_count(big), 8);
    assert_int_equal(otel_baggage_format(big, text, sizeof text), 8 * 1003 + 7);
    assert_int_equal(otel_baggage_format(big, text, 2100), 2 * 1003 + 1);
    assert_int_equal(otel_baggage_format(big, text, 10), 0);
    otel_baggage_release(big);

    // The longest there is: 64 members that fill 8,192 bytes to the last one.
    len = 0;
    for (int i = 0; i < 64; i++)
        len += (size_t)snprintf(header + len, sizeof header - len, "%sk%02d=%0*d", i > 0 ? "," : "", i,
                                i == 0 ? 124 : 123, 7);
    assert_int_equal(len, OTEL_BAGGAGE_BYTES_MAX);
    otel_baggage *full = parse(header);
    assert_int_equal(otel_baggage_count(full), 64);
    assert_int_equal(otel_baggage_format(full, text, OTEL_BAGGAGE_BYTES_MAX), OTEL_BAGGAGE_BYTES_MAX);
    assert_memory_equal(text, header, len);
    otel_baggage_release(full);
}

static void test_baggage_uses_the_official_header_name(void **state) {
    (void)state;
    static struct text_carrier carrier, said;
    struct otel_carrier_reader reader = text_carrier_reader(&carrier);
    struct otel_carrier_writer writer = text_carrier_writer(&said);
    const otel_propagator *propagator = otel_propagator_builtin(OTEL_PROPAGATE_BAGGAGE);
    text_carrier_add(&carrier, "Baggage", "a=1");
    text_carrier_add(&carrier, "baggage", "b=2;p");
    otel_context *context = otel_extract(propagator, NULL, &reader);
    assert_int_equal(otel_baggage_count(otel_context_baggage(context)), 2);
    otel_inject(propagator, context, &writer);
    assert_int_equal(said.count, 1);
    assert_string_equal(text_carrier_value(&said, "baggage"), "a=1,b=2;p");
    otel_context_release(context);
    said.count = 0;
    otel_inject(propagator, NULL, &writer);
    assert_int_equal(said.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_baggage_header_rules),
        cmocka_unit_test(test_baggage_values_are_decoded),
        cmocka_unit_test(test_baggage_is_never_changed),
        cmocka_unit_test(test_baggage_refuses_what_would_break_the_header),
        cmocka_unit_test(test_baggage_limits),
        cmocka_unit_test(test_baggage_uses_the_official_header_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
