// SPDX-License-Identifier: Apache-2.0
// Answers of receivers, endpoints and base64: the pure parts.
#include "base/base64.h"
#include "base/str.h"
#include "otel/attribute.h"
#include "otel/exporters/answer.h"
#include "otel/exporters/gzip.h"
#include "otel/exporters/http.h"
#include "otel/exporters/status.h"
#include "otel/exporters/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void partial_success_is_read_from_json(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int result;
        uint64_t rejected;
        const char *message;
    } cases[] = {
        {"{}",                                                                                   OTEL_OK,     0, ""    },
        {" { } ",                                                                                OTEL_OK,     0, ""    },
        {"{\"partialSuccess\":{}}",                                                              OTEL_OK,     0, ""    },
        {"{\"partialSuccess\":null}",                                                            OTEL_OK,     0, ""    },
        {"{\"partialSuccess\":{\"rejectedSpans\":\"7\",\"errorMessage\":\"a\\nb\"}}",            OTEL_OK,     7, "a b" },
        {"{\"partialSuccess\":{\"rejectedDataPoints\":7}}",                                      OTEL_OK,     7, ""    },
        {"{\"partialSuccess\":{\"rejectedLogRecords\":\"-7\"}}",                                 OTEL_OK,     0, ""    },
        {"{\"x\":[1,{\"partialSuccess\":{\"rejectedSpans\":9}}],\"partialSuccess\":{\"y\":{}}}", OTEL_OK,     0,
         ""                                                                                                            },
        {"{\"partialSuccess\":{\"errorMessage\":\"\\u0041\\u20ac\\\"\"}}",                       OTEL_OK,     0, "A?\""},
        {"",                                                                                     OTEL_FAILED, 0, ""    },
        {"[]",                                                                                   OTEL_FAILED, 0, ""    },
        {"{\"a\":1,}",                                                                           OTEL_FAILED, 0, ""    },
        {"{\"a\":\"\\x\"}",                                                                      OTEL_FAILED, 0, ""    },
        {"{\"a\":\"",                                                                            OTEL_FAILED, 0, ""    },
        {"{} x",                                                                                 OTEL_FAILED, 0, ""    },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct otel_partial_success partial = {0};
        assert_int_equal(otel_answer_partial_success_json(cases[i].text, strlen(cases[i].text), &partial),
                         cases[i].result);
        assert_int_equal(partial.rejected, cases[i].rejected);
        assert_string_equal(partial.message, cases[i].message);
    }
    char deep[2000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    struct otel_partial_success partial;
    assert_int_equal(otel_answer_partial_success_json(deep, sizeof deep, &partial), OTEL_FAILED);
}

static void retry_after_is_seconds_or_a_date(void **state) {
    (void)state;
    const int64_t now = INT64_C(784111777) * 1000000000; // Sun, 06 Nov 1994 08:49:37 GMT
    int64_t ms = -1;
    assert_true(otel_answer_retry_after("0", now, &ms) && ms == 0);
    assert_true(otel_answer_retry_after("120", now, &ms) && ms == 120000);
    assert_true(otel_answer_retry_after("99999999999", now, &ms) && ms == 3600000);
    assert_true(otel_answer_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now, &ms) && ms == 30000);
    assert_true(otel_answer_retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now, &ms) && ms == 0);
    assert_true(
        otel_answer_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", INT64_C(1709164799) * 1000000000, &ms) &&
        ms == 1000);
    static const char *const bad[] = {"",
                                      "-1",
                                      "soon",
                                      "1.5",
                                      "Sun, 06 Nov 1994",
                                      "Sun, 99 Nov 1994 08:50:07 GMT",
                                      "Sun, 06 Xyz 1994 08:50:07 GMT",
                                      "Sun, 06 Nov 1994 08:50:07 CET"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(otel_answer_retry_after(bad[i], now, &ms));
}

static void status_details_carry_retry_info(void **state) {
    (void)state;
    // {code 8, message "slow", details [Any{RetryInfo{retry_delay 1.5 s}}]}
    static const uint8_t bytes[] =
        "\x08\x08\x12\x04slow\x1a\x35\x0a\x28type.googleapis.com/google.rpc.RetryInfo"
        "\x12\x09\x0a\x07\x08\x01\x10\x80\xca\xb5\xee\x01";
    struct otel_rpc_status status;
    // The inner lengths: Duration 8 bytes in a field of 7 would be malformed, so they are set here.
    uint8_t copy[sizeof bytes - 1];
    memcpy(copy, bytes, sizeof copy);
    copy[9] = (uint8_t)(sizeof copy - 10);
    copy[53] = (uint8_t)(sizeof copy - 54);
    copy[55] = (uint8_t)(sizeof copy - 56);
    assert_int_equal(otel_answer_rpc_status(copy, sizeof copy, &status), OTEL_OK);
    assert_string_equal(status.message, "slow");
    assert_true(status.has_retry_info);
    assert_int_equal(status.retry_delay_ms, 1500);
    char text[256];
    fq_base64_encode(copy, sizeof copy, text);
    size_t len = fq_base64_size(sizeof copy);
    assert_int_equal(otel_answer_status_details(text, len, &status), OTEL_OK);
    while (text[len - 1] == '=')
        len--;
    assert_int_equal(otel_answer_status_details(text, len, &status), OTEL_OK);
    assert_int_equal(status.retry_delay_ms, 1500);
    assert_int_equal(otel_answer_status_details("!!!!", 4, &status), OTEL_FAILED);
}

static void grpc_message_is_percent_decoded_to_one_line(void **state) {
    (void)state;
    char line[OTEL_ANSWER_TEXT_MAX];
    static const char message[] = "caf%C3%A9 %0A 100%25 %zz %";
    otel_answer_percent_line(line, sizeof line, message, sizeof message - 1);
    assert_string_equal(line, "caf\xc3\xa9   100% %zz %");
    char small[6];
    otel_answer_line(small, sizeof small, "abcd\xe2\x82\xac", 7);
    assert_string_equal(small, "abcd");
}

static void http_errors_map_to_grpc_status(void **state) {
    (void)state;
    static const int pairs[][2] = {
        {400, 13},
        {401, 16},
        {403, 7 },
        {404, 12},
        {429, 14},
        {431, 13},
        {502, 14},
        {503, 14},
        {504, 14},
        {500, 2 },
        {302, 2 },
        {200, 2 }
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        assert_int_equal(otel_grpc_status_of_http(pairs[i][0]), pairs[i][1]);
    assert_int_equal(otel_grpc_status_of_reset(7), OTEL_GRPC_UNAVAILABLE);
    assert_int_equal(otel_grpc_status_of_reset(8), OTEL_GRPC_CANCELLED);
    assert_int_equal(otel_grpc_status_of_reset(11), OTEL_GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(otel_grpc_status_of_reset(12), OTEL_GRPC_PERMISSION_DENIED);
    assert_int_equal(otel_grpc_status_of_reset(1), OTEL_GRPC_INTERNAL);
}

static void grpc_targets_follow_the_table(void **state) {
    (void)state;
    static const struct {
        const char *endpoint;
        bool insecure;
        int result;
        bool is_tls, is_unix;
        const char *authority;
        bool has_path;
    } cases[] = {
        {"http://h:4317",                false, OTEL_OK,     false, false, "h:4317",               false},
        {"HTTP://h:4317/",               false, OTEL_OK,     false, false, "h:4317",               false},
        {"http://h:4317/x",              false, OTEL_OK,     false, false, "h:4317",               true },
        {"https://h:4317",               true,  OTEL_OK,     true,  false, "h:4317",               false},
        {"https://api.honeycomb.io:443", false, OTEL_OK,     true,  false, "api.honeycomb.io:443", false},
        {"https://otlp.nr-data.net",     false, OTEL_OK,     true,  false, "otlp.nr-data.net:443", false},
        {"h:4317",                       false, OTEL_OK,     true,  false, "h:4317",               false},
        {"h:4317",                       true,  OTEL_OK,     false, false, "h:4317",               false},
        {"dns:///h:4317",                true,  OTEL_OK,     false, false, "h:4317",               false},
        {"http://[::1]:4317",            false, OTEL_OK,     false, false, "[::1]:4317",           false},
        {"unix:/run/otel.sock",          false, OTEL_OK,     false, true,  "localhost",            false},
        {"unix:///run/otel.sock",        false, OTEL_OK,     false, true,  "localhost",            false},
        {"http://user:pw@h:4317",        false, OTEL_OK,     false, false, "h:4317",               false},
        {"ftp://h",                      false, OTEL_FAILED, false, false, "",                     false},
        {"",                             false, OTEL_FAILED, false, false, "",                     false},
        {"http://:4317",                 false, OTEL_FAILED, false, false, "",                     false},
        {"h:99999",                      false, OTEL_FAILED, false, false, "",                     false},
        {"h:0",                          false, OTEL_FAILED, false, false, "",                     false},
        {"[::1",                         false, OTEL_FAILED, false, false, "",                     false},
        {"unix:relative",                false, OTEL_FAILED, false, false, "",                     false},
        {"http://a b:1",                 false, OTEL_FAILED, false, false, "",                     false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct otel_target target = {0};
        const char *reason = NULL;
        int result = otel_target_parse_grpc(cases[i].endpoint, cases[i].insecure, &target, &reason);
        assert_int_equal(result, cases[i].result);
        if (result < 0) {
            assert_non_null(reason);
            continue;
        }
        assert_int_equal(target.is_tls, cases[i].is_tls);
        assert_int_equal(target.is_unix, cases[i].is_unix);
        assert_string_equal(target.authority, cases[i].authority);
        assert_int_equal(target.has_path, cases[i].has_path);
    }
}

static void base64_round_trips_and_refuses_what_is_none(void **state) {
    (void)state;
    uint8_t bytes[64], again[64];
    char text[96];
    for (size_t len = 0; len < sizeof bytes; len++) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(i * 37 + len);
        fq_base64_encode(bytes, len, text);
        size_t count = 99;
        assert_int_equal(fq_base64_decode(text, fq_base64_size(len), again, &count), 0);
        assert_int_equal(count, len);
        assert_memory_equal(again, bytes, len);
    }
    size_t count;
    assert_true(fq_base64_decode("A", 1, again, &count) < 0);
    assert_true(fq_base64_decode("AB*D", 4, again, &count) < 0);
    assert_int_equal(fq_base64_decode("-_8", 3, again, &count), 0);
    assert_memory_equal(again, "\xfb\xff", 2);
}

static void gunzip_is_limited_and_refuses_damage(void **state) {
    (void)state;
    uint8_t plain[100000];
    fq_buf packed = {0}, again = {0};
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i >> 4);
    assert_int_equal(otel_gzip(plain, sizeof plain, &packed), OTEL_OK);
    assert_true(fq_buf_len(&packed) < sizeof plain / 4);
    assert_int_equal(otel_gunzip(packed.data, fq_buf_len(&packed), sizeof plain, &again), OTEL_OK);
    assert_int_equal(fq_buf_len(&again), sizeof plain);
    assert_memory_equal(again.data, plain, sizeof plain);
    fq_buf_clear(&again);
    assert_int_equal(otel_gunzip(packed.data, fq_buf_len(&packed), sizeof plain - 1, &again), OTEL_FAILED);
    fq_buf_clear(&again);
    assert_int_equal(otel_gunzip(packed.data, fq_buf_len(&packed) / 2, sizeof plain, &again), OTEL_FAILED);
    fq_buf_clear(&again);
    assert_int_equal(otel_gunzip("no gzip", 7, sizeof plain, &again), OTEL_FAILED);
    fq_buf_done(&packed);
    fq_buf_done(&again);
}

// What a receiver sends ends up on terminals and in log files.
static void a_content_type_puts_no_control_characters_into_logs(void **state) {
    (void)state;
    const struct otel_http_answer answer = {.status = 200,
                                            .content_type = "text/html; \x1b[2Jx\x7f",
                                            .retry_after = "",
                                            .body = "x",
                                            .body_len = 1};
    struct otel_attempt attempt = {0};
    otel_http_judge(&answer, 0, &attempt);
    assert_int_equal(attempt.end, OTEL_ATTEMPT_REFUSED);
    assert_string_equal(attempt.error_type, "bad_response");
    assert_non_null(strstr(attempt.text, "(text/html;  [2Jx )"));
}

static void endpoints_are_said_without_their_secrets(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"https://user:pass@host:4318/v1/traces?key=secret#x", "https://host:4318/v1/traces"},
        {"user:p@ss@host:4317",                                "host:4317"                  },
        {"http://[::1]:4317",                                  "http://[::1]:4317"          },
        {"https://host/a@b",                                   "https://host/a@b"           },
        {"unix:/run/x",                                        "unix:/run/x"                },
        {"https://host?key=a@b",                               "https://host"               },
        {"",                                                   ""                           },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        otel_target_say(cases[i][0], text, sizeof text);
        assert_string_equal(text, cases[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partial_success_is_read_from_json),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(status_details_carry_retry_info),
        cmocka_unit_test(grpc_message_is_percent_decoded_to_one_line),
        cmocka_unit_test(http_errors_map_to_grpc_status),
        cmocka_unit_test(grpc_targets_follow_the_table),
        cmocka_unit_test(base64_round_trips_and_refuses_what_is_none),
        cmocka_unit_test(gunzip_is_limited_and_refuses_damage),
        cmocka_unit_test(a_content_type_puts_no_control_characters_into_logs),
        cmocka_unit_test(endpoints_are_said_without_their_secrets),
    };
    return cmocka_run_group_tests_name("otlp_answer", tests, NULL, NULL);
}
