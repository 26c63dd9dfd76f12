// SPDX-License-Identifier: Apache-2.0
// The option parser: values, precedence, lists, refusals; and what the table itself must hold to.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include "cli/manual.h"
#include "cli/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 16 };

// An environment of "NAME=value" words, ended by NULL.
static const char *look_up(void *context, const char *name) {
    size_t len = strlen(name);
    for (const char *const *at = context; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
            return *at + len + 1;
    }
    return NULL;
}

static int parse(struct fq_options *options, enum fq_verb verb, const char *const *words,
                 const char *const *environment) {
    int count = 0;
    while (words[count] != NULL)
        count++;
    return fq_options_parse(options, verb, count, words, look_up, (void *)(uintptr_t)environment);
}

#define WORDS(...) ((const char *const[WORDS_MAX]){__VA_ARGS__})
#define NOTHING    ((const char *const[]){NULL})

// --- conversion ---------------------------------------------------------------------------------------------------------

static void test_numbers_with_units(void **state) {
    (void)state;
    static const struct {
        enum fq_verb verb;
        enum fq_option option;
        const char *flag, *text;
        int64_t number; // INT64_MIN: refused
    } rows[] = {
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "64MiB",                         64 << 20 },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "64mib",                         64 << 20 },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "1.5k",                          1536     },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "2MB",                           2000000  },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "65536",                         65536    },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "64 MiB",                        64 << 20 },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "0",                             INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "64QiB",                         INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "-1",                            INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "1e99",                          INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "99999999999999999999TiB",       INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_PAYLOAD, "--max-payload", "1.2.3k",                        INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LEASE,       "--lease",       "30s",                           30000    },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LEASE,       "--lease",       "2",                             2000     },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LEASE,       "--lease",       "1500ms",                        1500     },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LEASE,       "--lease",       "1.5m",                          90000    },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LEASE,       "--lease",       "24h",                           86400000 },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LEASE,       "--lease",       "25h",                           INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LEASE,       "--lease",       "999ms",                         INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LEASE,       "--lease",       "soon",                          INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LEASE,       "--lease",       "",                              INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_CRASHES, "--max-crashes", "7",                             7        },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_CRASHES, "--max-crashes", "7.5",                           INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_CRASHES, "--max-crashes", "0",                             INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_MAX_CRASHES, "--max-crashes", "99999999999999999999",          INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_DURABILITY,  "--durability",  "relaxed",                       1        },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_DURABILITY,  "--durability",  "SYNC",                          0        },
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_DURABILITY,  "--durability",  "rel",                           INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_DURABILITY,  "--durability",  "sync|relaxed",                  INT64_MIN},
        {FQ_VERB_CONTROL_PLANE, FQ_OPTION_LOG_LEVEL,   "--log-level",   "warning",                       2        },
        {FQ_VERB_SUBMIT,        FQ_OPTION_AT,          "--at",          "1970-01-02T00:00:00Z",          86400000 },
        {FQ_VERB_SUBMIT,        FQ_OPTION_AT,          "--at",          "1970-01-02T02:00:00.250+02:00", 86400250 },
        {FQ_VERB_SUBMIT,        FQ_OPTION_AT,          "--at",          "1970-01-01 19:00:00-05:00",     86400000 },
        {FQ_VERB_SUBMIT,        FQ_OPTION_AT,          "--at",          "1970-01-02",                    86400000 },
        {FQ_VERB_SUBMIT,        FQ_OPTION_AT,          "--at",          "86400.5",                       86400500 },
        {FQ_VERB_SUBMIT,        FQ_OPTION_AT,          "--at",          "tomorrow",                      INT64_MIN},
        {FQ_VERB_SUBMIT,        FQ_OPTION_AT,          "--at",          "1970-01-02T00:00:00X",          INT64_MIN},
        {FQ_VERB_SUBMIT,        FQ_OPTION_AT,          "--at",          "nan",                           INT64_MIN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_options options;
        int result = parse(&options, rows[i].verb, WORDS(rows[i].flag, rows[i].text), NULL);
        bool refused = rows[i].number == INT64_MIN;
        if (result != (refused ? FQ_EINVALID : 0) ||
            (!refused && options.values[rows[i].option].number != rows[i].number))
            fail_msg("%s '%s': result %d, number %lld", rows[i].flag, rows[i].text, result,
                     (long long)options.values[rows[i].option].number);
        if (refused) // the sentence names the flag and what was given
            assert_non_null(strstr(options.error, rows[i].flag));
        fq_options_done(&options);
    }
}

static void test_booleans(void **state) {
    (void)state;
    static const struct {
        const char *word;
        int result;
        int64_t number;
    } rows[] = {
        {"--json",       0,           1},
        {"--json=true",  0,           1},
        {"--json=YES",   0,           1},
        {"--json=on",    0,           1},
        {"--json=false", 0,           0},
        {"--json=0",     0,           0},
        {"--json=maybe", FQ_EINVALID, 0},
        {"-j",           0,           1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_options options;
        assert_int_equal(parse(&options, FQ_VERB_WORKERS, WORDS(rows[i].word), NULL), rows[i].result);
        if (rows[i].result == 0)
            assert_int_equal(fq_option_number(&options, FQ_OPTION_JSON), rows[i].number);
        fq_options_done(&options);
    }
}

// --- precedence ---------------------------------------------------------------------------------------------------------

static void expect_address(const char *const *words, const char *const *environment, const char *text,
                           enum fq_origin origin) {
    struct fq_options options;
    assert_int_equal(parse(&options, FQ_VERB_SUBWORKER, words, environment), 0);
    assert_string_equal(fq_option_text(&options, FQ_OPTION_CONTROL_PLANE_ADDRESS), text);
    assert_int_equal(options.values[FQ_OPTION_CONTROL_PLANE_ADDRESS].origin, origin);
    fq_options_done(&options);
}

static void test_flag_beats_environment_beats_default(void **state) {
    (void)state;
    const char *const ours[] = {"FASTQUEUE_CONTROL_PLANE_ADDRESS=tcp://b",
                                "FASTWORKER_CONTROL_PLANE_ADDRESS=tcp://c", NULL};
    const char *const older[] = {"FASTWORKER_CONTROL_PLANE_ADDRESS=tcp://c", NULL};
    const char *const empty[] = {"FASTQUEUE_CONTROL_PLANE_ADDRESS=", NULL};
    expect_address(NOTHING, NULL, "tcp://127.0.0.1:5555", FQ_ORIGIN_DEFAULT);
    expect_address(NOTHING, empty, "tcp://127.0.0.1:5555", FQ_ORIGIN_DEFAULT);
    expect_address(NOTHING, older, "tcp://c", FQ_ORIGIN_ENVIRONMENT);
    expect_address(NOTHING, ours, "tcp://b", FQ_ORIGIN_ENVIRONMENT);
    expect_address(WORDS("--control-plane-address", "tcp://a"), ours, "tcp://a", FQ_ORIGIN_FLAG);
    expect_address(WORDS("--control-plane-address=tcp://a"), ours, "tcp://a", FQ_ORIGIN_FLAG);
    expect_address(WORDS("-a", "tcp://a"), ours, "tcp://a", FQ_ORIGIN_FLAG);
}

static void test_environment_is_checked_as_flags_are(void **state) {
    (void)state;
    const char *const environment[] = {"FASTQUEUE_LEASE=never", NULL};
    struct fq_options options;
    assert_int_equal(parse(&options, FQ_VERB_CONTROL_PLANE, NOTHING, environment), FQ_EINVALID);
    assert_non_null(strstr(options.error, "FASTQUEUE_LEASE: 'never' is not a time"));
    fq_options_done(&options);
    // A flag hides the variable, good or bad.
    assert_int_equal(parse(&options, FQ_VERB_CONTROL_PLANE, WORDS("--lease", "3s"), environment), 0);
    fq_options_done(&options);
    // A verb that does not have the option does not read its variable.
    assert_int_equal(parse(&options, FQ_VERB_WORKERS, NOTHING, environment), 0);
    fq_options_done(&options);
}

static void test_second_name_of_a_variable(void **state) {
    (void)state;
    const char *const environment[] = {"FASTWORKER_WORKER_CONCURRENCY=3", NULL};
    struct fq_options options;
    assert_int_equal(parse(&options, FQ_VERB_SUBWORKER, NOTHING, environment), 0);
    assert_int_equal(fq_option_number(&options, FQ_OPTION_CONCURRENCY), 3);
    assert_string_equal(options.values[FQ_OPTION_CONCURRENCY].variable, "FASTWORKER_WORKER_CONCURRENCY");
    fq_options_done(&options);
}

// --- lists and operands -------------------------------------------------------------------------------------------------

static void expect_items(const struct fq_options *options, enum fq_option option, const char *joined) {
    char text[256] = "";
    size_t used = 0;
    const struct fq_option_value *value = &options->values[option];
    for (size_t i = 0; i < value->item_count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? "|" : "", value->items[i]);
    assert_string_equal(text, joined);
}

static void test_lists(void **state) {
    (void)state;
    struct fq_options options;
    assert_int_equal(parse(&options, FQ_VERB_SUBMIT,
                           WORDS("--task-name", "add", "--args", "1", "-2", "-.5", "x y", "-", "--kwargs",
                                 "a=1", "--args=9", "--kwargs", "b=--x"),
                           NULL),
                     0);
    expect_items(&options, FQ_OPTION_ARGS, "1|-2|-.5|x y|-|9");
    expect_items(&options, FQ_OPTION_KWARGS, "a=1|b=--x");
    assert_int_equal(options.operand_count, 0);
    fq_options_done(&options);

    const char *const environment[] = {"FASTQUEUE_TASK_MODULES=a ./b.so,c", NULL};
    assert_int_equal(parse(&options, FQ_VERB_SUBWORKER, NOTHING, environment), 0);
    expect_items(&options, FQ_OPTION_TASK_MODULES, "a|./b.so|c");
    fq_options_done(&options);
    assert_int_equal(parse(&options, FQ_VERB_SUBWORKER, WORDS("-m", "d", "-c", "2", "-m", "e"), environment),
                     0);
    expect_items(&options, FQ_OPTION_TASK_MODULES, "d|e");
    assert_int_equal(fq_option_number(&options, FQ_OPTION_CONCURRENCY), 2);
    fq_options_done(&options);
    // An empty list is given, and empty.
    assert_int_equal(parse(&options, FQ_VERB_SUBWORKER, WORDS("--task-modules"), environment), 0);
    assert_int_equal(options.values[FQ_OPTION_TASK_MODULES].origin, FQ_ORIGIN_FLAG);
    expect_items(&options, FQ_OPTION_TASK_MODULES, "");
    fq_options_done(&options);
}

static void test_operands(void **state) {
    (void)state;
    struct fq_options options;
    assert_int_equal(
        parse(&options, FQ_VERB_SUBMIT, WORDS("add", "-1", "--priority", "high", "2", "--", "--json"), NULL),
        0);
    assert_int_equal(options.operand_count, 4);
    assert_string_equal(options.operands[1], "-1");
    assert_string_equal(options.operands[3], "--json");
    assert_int_equal(fq_option_number(&options, FQ_OPTION_JSON), 0);
    fq_options_done(&options);
    assert_int_equal(parse(&options, FQ_VERB_STATUS, WORDS("a", "b"), NULL), FQ_EINVALID);
    assert_string_equal(options.error, "unexpected operand 'b'");
    fq_options_done(&options);
    assert_int_equal(parse(&options, FQ_VERB_TOKEN, NOTHING, NULL), FQ_EINVALID);
    fq_options_done(&options);
    assert_int_equal(parse(&options, FQ_VERB_TOKEN, WORDS("--help"), NULL), 0);
    fq_options_done(&options);
}

// --- refusals -----------------------------------------------------------------------------------------------------------

static void test_refusals_say_why(void **state) {
    (void)state;
    static const struct {
        enum fq_verb verb;
        const char *words[4];
        const char *sentence;
    } rows[] = {
        {FQ_VERB_SUBMIT, {"--prioritty", "high"},           "unknown option --prioritty; did you mean --priority?"       },
        {FQ_VERB_SUBMIT, {"--prio=high"},                   "unknown option --prio; did you mean --priority?"            },
        {FQ_VERB_SUBMIT, {"--zzzzzzzzzz"},                  "unknown option --zzzzzzzzzz"                                },
        {FQ_VERB_SUBMIT, {"-Z"},                            "unknown option -Z"                                          },
        {FQ_VERB_SUBMIT, {"--data-dir", "x"},               "--data-dir is an option of 'control-plane', not of 'submit'"},
        {FQ_VERB_SUBMIT, {"--retries", "1", "--retries=2"}, "--retries is given twice"                                   },
        {FQ_VERB_SUBMIT, {"--retries"},                     "--retries needs a value: COUNT"                             },
        {FQ_VERB_SUBMIT, {"--retries", "--json"},           "--retries needs a value: COUNT"                             },
        {FQ_VERB_SUBMIT, {"--retries", "2000"},             "--retries: '2000' is not between 0 and 1000"                },
        {FQ_VERB_SUBMIT,
         {"--priority", "urgent"},
         "--priority: 'urgent' is none of critical|high|normal|low"                                                      },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_options options;
        int count = 0;
        while (rows[i].words[count] != NULL)
            count++;
        assert_int_equal(fq_options_parse(&options, rows[i].verb, count, rows[i].words, look_up, NULL),
                         FQ_EINVALID);
        assert_string_equal(options.error, rows[i].sentence);
        fq_options_done(&options);
    }
}

static void test_obsolete_options_are_accepted_with_a_notice(void **state) {
    (void)state;
    struct fq_options options;
    assert_int_equal(
        parse(&options, FQ_VERB_CONTROL_PLANE,
              WORDS("--discovery-address", "tcp://127.0.0.1:5550", "--subworker-port=5560", "--no-gui"),
              NULL),
        0);
    assert_non_null(strstr(options.notice, "--discovery-address is no longer used"));
    assert_non_null(strstr(options.notice, "\n--subworker-port is no longer used"));
    assert_non_null(strstr(options.notice, "use --http-address off"));
    fq_options_done(&options);
    const char *const environment[] = {"FASTQUEUE_SUBWORKER_PORT=5560", NULL};
    assert_int_equal(parse(&options, FQ_VERB_CONTROL_PLANE, NOTHING, environment), 0);
    assert_non_null(strstr(options.notice, "FASTQUEUE_SUBWORKER_PORT is no longer used"));
    fq_options_done(&options);
    assert_int_equal(
        parse(&options, FQ_VERB_SUBWORKER, WORDS("--base-address", "tcp://127.0.0.1:5561"), NULL), 0);
    assert_non_null(strstr(options.notice, "a subworker listens nowhere"));
    fq_options_done(&options);
}

// Words of flags, values and junk in any order: each line is understood or refused with a sentence, nothing else.
static void test_any_words_get_an_answer(void **state) {
    (void)state;
    static const char *const junk[] = {"",    "-",    "--",      "-1",   "x",   "=",
                                       "--=", "--=x", "-=",      "---",  "-jj", "--no-",
                                       "1e9", "\xff", "30s|30s", "none", "a=b", "%s%n"};
    enum { JUNK = sizeof junk / sizeof junk[0], ROUNDS = 20000 };
    uint64_t dice = 88172645463325252u;
    unsigned understood = 0, refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char flags[WORDS_MAX][64];
        const char *words[WORDS_MAX];
        int count = round % 6;
        for (int i = 0; i < count; i++) {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            const struct fq_option_row *row = fq_option_row((enum fq_option)(dice % FQ_OPTION_COUNT));
            int len = row->flag != NULL ? (int)strcspn(row->flag, "|") : 0;
            snprintf(flags[i], sizeof flags[i], "--%.*s%s", len, len > 0 ? row->flag : "",
                     dice >> 40 & 1 ? "" : "=1");
            words[i] = dice >> 41 & 1 ? junk[(dice >> 42) % JUNK] : flags[i];
        }
        struct fq_options options;
        int result = fq_options_parse(&options, (enum fq_verb)(dice >> 50) % FQ_VERB_COUNT, count, words,
                                      look_up, NULL);
        assert_true(result == 0 || result == FQ_EINVALID);
        assert_int_equal(result == 0, options.error[0] == '\0');
        *(result == 0 ? &understood : &refused) += 1;
        fq_options_done(&options);
    }
    assert_true(understood > 100 && refused > 100);
}

// --- printing -----------------------------------------------------------------------------------------------------------

static char *print_configuration(const struct fq_options *options, bool as_json) {
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    assert_non_null(memory);
    fq_manual_configuration(memory, options, as_json);
    fclose(memory);
    return text;
}

static void test_configuration_shows_origins_and_hides_secrets(void **state) {
    (void)state;
    const char *const environment[] = {"FASTQUEUE_TOKEN=s3cret-one", "FASTQUEUE_TIMEOUT=7", NULL};
    struct fq_options options;
    assert_int_equal(parse(&options, FQ_VERB_WORKERS, WORDS("-a", "tcp://me:s3cret-two@host:1"), environment),
                     0);
    for (int as_json = 0; as_json < 2; as_json++) {
        char *text = print_configuration(&options, as_json);
        assert_null(strstr(text, "s3cret"));
        assert_non_null(strstr(text, "(hidden)"));
        assert_non_null(strstr(text, "host:1"));
        assert_non_null(strstr(
            text, as_json
                      ? "\"value\": \"7\", \"origin\": \"environment\", \"variable\": \"FASTQUEUE_TIMEOUT\""
                      : "environment FASTQUEUE_TIMEOUT"));
        free(text);
    }
    fq_options_done(&options);
}

// --- the table ----------------------------------------------------------------------------------------------------------

static bool share_a_flag(const struct fq_option_row *a, const struct fq_option_row *b) {
    char words[96], *rest = NULL;
    snprintf(words, sizeof words, "%s", b->flag);
    for (char *word = strtok_r(words, "|", &rest); word != NULL; word = strtok_r(NULL, "|", &rest)) {
        if (fq_option_word_is(a->flag, '|', word, strlen(word)))
            return true;
    }
    return false;
}

static void test_table_is_sound(void **state) {
    (void)state;
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        assert_int_equal(row->option, i);
        assert_true(row->flag != NULL || row->variable != NULL);
        assert_true(row->verbs != 0);
        assert_true(row->flag == NULL || strcspn(row->flag, "|") < FQ_OPTION_FLAG_SIZE);
        // Every default is accepted as if a user had typed it.
        char why[256];
        int64_t number;
        if (row->fallback != NULL && fq_option_convert(row, row->fallback, &number, why, sizeof why) < 0)
            fail_msg("default of --%s %s", row->flag, why);
        for (int j = i + 1; j < FQ_OPTION_COUNT; j++) {
            const struct fq_option_row *other = fq_option_row((enum fq_option)j);
            if ((row->verbs & other->verbs) == 0)
                continue;
            if (row->flag != NULL && other->flag != NULL && share_a_flag(row, other))
                fail_msg("two rows of one verb share a flag: %s and %s", row->flag, other->flag);
            if (row->short_flag != 0 && row->short_flag == other->short_flag)
                fail_msg("two rows of one verb share -%c: %s and %s", row->short_flag, row->flag,
                         other->flag);
        }
    }
}

static void test_nearest_names(void **state) {
    (void)state;
    assert_int_equal(fq_option_distance("priority", "priority"), 0);
    assert_int_equal(fq_option_distance("kitten", "sitting"), 3);
    assert_int_equal(fq_option_distance("", "abc"), 3);
    assert_string_equal(fq_verb_nearest("sumbit"), "submit");
    assert_string_equal(fq_verb_nearest("controlplane"), "control-plane");
    assert_null(fq_verb_nearest("xyzzyxyzzy"));
    assert_null(fq_verb_nearest("runer")); // not for people
    assert_int_equal(fq_verb_find("worker"), FQ_VERB_SUBWORKER);
    assert_int_equal(fq_verb_find("workers"), FQ_VERB_WORKERS);
    assert_int_equal(fq_verb_find(""), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_with_units),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_flag_beats_environment_beats_default),
        cmocka_unit_test(test_environment_is_checked_as_flags_are),
        cmocka_unit_test(test_second_name_of_a_variable),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_operands),
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_obsolete_options_are_accepted_with_a_notice),
        cmocka_unit_test(test_any_words_get_an_answer),
        cmocka_unit_test(test_configuration_shows_origins_and_hides_secrets),
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_nearest_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
