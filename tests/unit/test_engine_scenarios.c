// SPDX-License-Identifier: Apache-2.0
// Runs the scenario tables of tests/scenarios: one cmocka test a scenario and storage, so that no storage is a special case. The language is told in tests/scenarios/README.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/engine_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 40, LABELS_MAX = 64, GRANTS_MAX = 16, SCENARIOS_MAX = 256, NAMES_MAX = 32 };

struct label {
    char text[32];
    fq_uuid id;
    uint64_t tokens[GRANTS_MAX];
    size_t grants;
};

struct scenario {
    char title[200], file[256];
    enum keeper_storage storage;
    char *text;
    int line;
};

struct stage {
    struct engine_rig rig;
    struct label labels[LABELS_MAX];
    size_t label_count;
    const struct scenario *scenario;
    int line;
    char *words[WORDS_MAX];
    size_t word_count;
    char *expected; // behind "->", NULL = "ok"
    char outcome[512];
    bool failed; // the outcome is an error
};

#define BAD(stage, ...)                                                                                      \
    do {                                                                                                     \
        fprintf(stderr, "%s:%d: ", (stage)->scenario->file, (stage)->line);                                  \
        fprintf(stderr, __VA_ARGS__);                                                                        \
        fputc('\n', stderr);                                                                                 \
        fail();                                                                                              \
    } while (0)

static const char *option(struct stage *stage, const char *key) {
    size_t len = strlen(key);
    for (size_t i = 1; i < stage->word_count; i++) {
        if (strncmp(stage->words[i], key, len) == 0 && stage->words[i][len] == '=')
            return stage->words[i] + len + 1;
    }
    return NULL;
}
static int64_t number(struct stage *stage, const char *key, int64_t absent) {
    const char *text = option(stage, key);
    return text != NULL ? strtoll(text, NULL, 10) : absent;
}
static fq_str text(struct stage *stage, const char *key) {
    const char *value = option(stage, key);
    return value != NULL ? fq_str_of(value) : FQ_STR("");
}
static bool has_word(struct stage *stage, const char *word) {
    for (size_t i = 1; i < stage->word_count; i++) {
        if (strcmp(stage->words[i], word) == 0)
            return true;
    }
    return false;
}

static struct label *label_of(struct stage *stage, const char *word) {
    size_t len = strcspn(word, "#");
    for (size_t i = 0; i < stage->label_count; i++) {
        if (strlen(stage->labels[i].text) == len && memcmp(stage->labels[i].text, word, len) == 0)
            return &stage->labels[i];
    }
    assert_true(stage->label_count < LABELS_MAX && len < sizeof stage->labels[0].text);
    struct label *label = &stage->labels[stage->label_count];
    memcpy(label->text, word, len);
    label->id = engine_rig_id(stage->label_count++);
    return label;
}
static const char *label_text(struct stage *stage, const fq_uuid *id) {
    for (size_t i = 0; i < stage->label_count; i++) {
        if (fq_uuid_equal(&stage->labels[i].id, id))
            return stage->labels[i].text;
    }
    return "?";
}
// "a" is the last token of a, "a#1" its first.
static uint64_t token_of(struct stage *stage, const char *word) {
    struct label *label = label_of(stage, word);
    const char *which = strchr(word, '#');
    size_t index = which != NULL ? strtoul(which + 1, NULL, 10) : label->grants;
    return index > 0 && index <= label->grants ? label->tokens[index - 1] : 0;
}

static size_t split_names(char *list, fq_str *names) {
    size_t count = 0;
    for (char *name = strtok(list, ","); name != NULL && count < NAMES_MAX; name = strtok(NULL, ","))
        names[count++] = fq_str_of(name);
    return count;
}

static void say(struct stage *stage, const char *word) {
    size_t len = strlen(stage->outcome);
    snprintf(stage->outcome + len, sizeof stage->outcome - len, "%s%s", len > 0 ? " " : "", word);
}

static bool run(struct stage *stage, const struct fq_command *command) {
    int rc = engine_rig_run(&stage->rig, command);
    if (rc < 0) {
        say(stage, fq_error_info(rc)->name);
        stage->failed = true;
    }
    return rc == 0;
}

static void do_submit(struct stage *stage) {
    struct label *label = label_of(stage, stage->words[1]);
    struct fq_command command = engine_rig_submit(0, stage->words[2]);
    struct fq_submit *submit = &command.submit;
    submit->id = label->id;
    if (option(stage, "payload") != NULL)
        submit->payload = text(stage, "payload");
    if (option(stage, "priority") != NULL)
        assert_int_equal(fq_priority_parse(text(stage, "priority"), &submit->priority), 0);
    submit->delay_ms = number(stage, "delay", 0);
    if (option(stage, "at") != NULL)
        submit->at_us = stage->rig.now.wall_us + number(stage, "at", 0) * 1000;
    submit->expires_ms = number(stage, "expires", 0);
    submit->timeout_ms = number(stage, "timeout", 0);
    submit->retries = (uint32_t)number(stage, "retries", 0);
    submit->backoff_ms = number(stage, "backoff", 0);
    submit->result_ttl_ms = number(stage, "ttl", -1);
    submit->options.unique = text(stage, "unique");
    submit->options.traceparent = text(stage, "traceparent");
    submit->options.encoding = text(stage, "encoding");
    if (!run(stage, &command))
        return;
    fq_uuid id = fq_decision_task_id(stage->rig.decision);
    if (fq_decision_is_repeat(stage->rig.decision)) {
        say(stage, "repeat");
        say(stage, label_text(stage, &id));
    }
}

static void do_fetch(struct stage *stage) {
    fq_str names[NAMES_MAX];
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = fq_str_of(stage->words[1]);
    command.fetch.names = names;
    if (stage->word_count > 2 && strchr(stage->words[2], '=') == NULL)
        command.fetch.name_count = split_names(stage->words[2], names);
    command.fetch.count = (uint32_t)number(stage, "count", 1);
    command.fetch.follows = has_word(stage, "follows");
    if (!run(stage, &command))
        return;
    for (size_t i = 0; i < fq_decision_effect_count(stage->rig.decision); i++) {
        const struct fq_effect *effect = fq_decision_effect(stage->rig.decision, i);
        if (effect->type != FQ_EFFECT_GRANTED)
            continue;
        struct label *label = label_of(stage, label_text(stage, &effect->id));
        if (label->grants > 0 && effect->token <= label->tokens[label->grants - 1])
            BAD(stage, "token of %s did not grow", label->text);
        assert_true(label->grants < GRANTS_MAX);
        label->tokens[label->grants++] = effect->token;
        say(stage, label->text);
    }
    if (stage->outcome[0] == '\0')
        say(stage, "none");
}

static int64_t started_us(struct stage *stage) {
    if (option(stage, "started") == NULL)
        return has_word(stage, "started") ? stage->rig.now.wall_us : 0;
    return stage->rig.now.wall_us - number(stage, "started", 0) * 1000;
}

static void do_complete(struct stage *stage) {
    struct fq_command command = {.type = FQ_COMMAND_COMPLETE};
    command.complete.id = label_of(stage, stage->words[1])->id;
    command.complete.token = token_of(stage, stage->words[1]);
    command.complete.result = text(stage, "result");
    command.complete.started_us = started_us(stage);
    command.complete.run_us = number(stage, "run", -1);
    run(stage, &command);
}

static void do_fail(struct stage *stage) {
    struct fq_command command = {.type = FQ_COMMAND_FAIL, .random = (uint64_t)number(stage, "random", 1000)};
    command.fail.id = label_of(stage, stage->words[1])->id;
    command.fail.token = token_of(stage, stage->words[1]);
    command.fail.type = text(stage, "type");
    command.fail.message = text(stage, "message");
    command.fail.traceparent = text(stage, "traceparent");
    command.fail.no_retry = has_word(stage, "noretry");
    command.fail.crash = has_word(stage, "crash");
    command.fail.started_us = started_us(stage);
    command.fail.run_us = number(stage, "run", -1);
    run(stage, &command);
}

static void do_heartbeat(struct stage *stage) {
    static const char *const verdicts[] = {"ok", "cancel", "stale", "drain"};
    struct fq_heartbeat beat = {.id = label_of(stage, stage->words[1])->id,
                                .token = token_of(stage, stage->words[1]),
                                .state = has_word(stage, "running") ? FQ_REPORT_RUNNING : FQ_REPORT_HELD,
                                .started_us = started_us(stage)};
    struct fq_command command = {.type = FQ_COMMAND_HEARTBEAT};
    command.heartbeat.beats = &beat;
    command.heartbeat.beat_count = 1;
    if (run(stage, &command))
        say(stage, verdicts[fq_decision_verdict(stage->rig.decision, 0)]);
}

static void do_beat(struct stage *stage) { // of a worker without leases
    struct fq_command command = {.type = FQ_COMMAND_HEARTBEAT};
    command.heartbeat.worker = fq_str_of(stage->words[1]);
    run(stage, &command);
}

static void do_release(struct stage *stage) {
    struct fq_command command = {.type = FQ_COMMAND_RELEASE};
    command.release.id = label_of(stage, stage->words[1])->id;
    command.release.token = token_of(stage, stage->words[1]);
    run(stage, &command);
}

static void say_touched(struct stage *stage) {
    char count[24];
    snprintf(count, sizeof count, "%llu", (unsigned long long)fq_decision_touched(stage->rig.decision));
    say(stage, count);
}

static void do_cancel(struct stage *stage) {
    struct fq_command command = {.type = FQ_COMMAND_CANCEL};
    command.cancel.id = label_of(stage, stage->words[1])->id;
    if (run(stage, &command))
        say_touched(stage);
}

static void do_requeue(struct stage *stage) {
    struct fq_command command = {.type = FQ_COMMAND_DEAD_REQUEUE};
    command.dead_requeue.id = label_of(stage, stage->words[1])->id;
    run(stage, &command);
}

static void do_purge(struct stage *stage) {
    struct fq_command command = {.type = FQ_COMMAND_DEAD_PURGE};
    if (option(stage, "name") != NULL || stage->word_count == 1) {
        command.dead_purge.name = text(stage, "name");
    } else {
        command.one = true;
        command.dead_purge_one.id = label_of(stage, stage->words[1])->id;
    }
    if (run(stage, &command))
        say_touched(stage);
}

static void do_register(struct stage *stage) {
    fq_str names[NAMES_MAX];
    struct fq_command command = {.type = FQ_COMMAND_REGISTER};
    command.worker_register.worker = fq_str_of(stage->words[1]);
    command.worker_register.names = names;
    if (stage->word_count > 2 && strchr(stage->words[2], '=') == NULL)
        command.worker_register.name_count = split_names(stage->words[2], names);
    command.worker_register.instance = text(stage, "instance");
    command.worker_register.slots = (uint32_t)number(stage, "slots", 1);
    run(stage, &command);
}

static void do_leave(struct stage *stage) {
    bool gone = strcmp(stage->words[0], "gone") == 0;
    struct fq_command command = {.type = gone ? FQ_COMMAND_WORKER_GONE : FQ_COMMAND_UNREGISTER};
    command.worker.worker = fq_str_of(stage->words[1]);
    command.worker.instance = text(stage, "instance");
    run(stage, &command);
}

static void do_pause(struct stage *stage) {
    bool pause = strcmp(stage->words[0], "pause") == 0;
    struct fq_command command = {.type = pause ? FQ_COMMAND_PAUSE : FQ_COMMAND_RESUME};
    fq_str name = stage->word_count > 1 ? fq_str_of(stage->words[1]) : FQ_STR("");
    if (pause)
        command.pause.name = name;
    else
        command.resume.name = name;
    run(stage, &command);
}

// Compares "key=value" words with what the view says.
static void expect_text(struct stage *stage, const char *key, fq_str actual) {
    const char *expected = option(stage, key);
    if (expected != NULL && !fq_str_equal(fq_str_of(expected), actual))
        BAD(stage, "%s is '%.*s', not '%s'", key, FQ_STR_ARGS(actual), expected);
}
static void expect_number(struct stage *stage, const char *key, int64_t actual) {
    const char *expected = option(stage, key);
    if (expected != NULL && strtoll(expected, NULL, 10) != actual)
        BAD(stage, "%s is %lld, not %s", key, (long long)actual, expected);
}

static void do_task(struct stage *stage) {
    static const char *const presences[] = {"none", "stored", "evicted", "not-stored"};
    struct fq_task_view view;
    int rc = fq_engine_task(stage->rig.engine, &label_of(stage, stage->words[1])->id, &view);
    if (rc < 0) {
        say(stage, fq_error_info(rc)->name);
        stage->failed = true;
        return;
    }
    say(stage, fq_task_state_name(view.state));
    expect_number(stage, "attempt", view.attempt);
    expect_number(stage, "crashes", view.crashes);
    expect_number(stage, "losses", view.losses);
    expect_number(stage, "running", view.state == FQ_TASK_STARTED && view.started_us != 0);
    expect_number(stage, "cancelling", view.cancel_requested);
    expect_number(stage, "payload", (int64_t)view.payload.len);
    expect_number(stage, "wait", view.wait_us / 1000);
    expect_number(stage, "run", view.run_us);
    if (view.due_us != 0)
        expect_number(stage, "due", (view.due_us - stage->rig.now.wall_us) / 1000);
    if (view.token != 0)
        expect_number(stage, "lease", (view.lease_until_boot_us - stage->rig.now.boot_us) / 1000);
    expect_text(stage, "result", view.result);
    expect_text(stage, "error", view.error_type);
    expect_text(stage, "message", view.error_message);
    expect_text(stage, "worker", view.worker);
    expect_text(stage, "presence", fq_str_of(presences[view.result_presence]));
    expect_text(stage, "traceparent", view.options.traceparent);
    expect_text(stage, "previous", view.last_traceparent);
    expect_text(stage, "ran", view.run_traceparent);
}

static void do_count(struct stage *stage) {
    struct fq_engine_stats stats;
    fq_engine_stats(stage->rig.engine, stage->rig.now, &stats);
    for (int state = 0; state < FQ_TASK_STATE_COUNT; state++)
        expect_number(stage, fq_task_state_name((enum fq_task_state)state),
                      (int64_t)stats.state_count[state]);
    expect_number(stage, "running", (int64_t)stats.running_count);
    expect_number(stage, "dead", (int64_t)stats.dead_count);
    expect_number(stage, "results", (int64_t)stats.result_count);
    expect_number(stage, "ledger", (int64_t)stats.ledger_count);
    expect_number(stage, "workers", (int64_t)stats.worker_count);
    expect_number(stage, "active", (int64_t)stats.active_worker_count);
    expect_number(stage, "names", (int64_t)stats.name_count);
    expect_number(stage, "stale", (int64_t)stats.stale_total);
    expect_number(stage, "repeats", (int64_t)stats.repeat_total);
    expect_number(stage, "retried", (int64_t)stats.retried_total);
    expect_number(stage, "returned", (int64_t)stats.returned_total);
    expect_number(stage, "crashed", (int64_t)stats.crashed_total);
    expect_number(stage, "completed", (int64_t)stats.completed_total);
    expect_number(stage, "evicted", (int64_t)stats.evicted_total);
}

static void do_name(struct stage *stage) {
    int64_t id = fq_engine_name_id(stage->rig.engine, fq_str_of(stage->words[1]));
    if (id < 0)
        BAD(stage, "no name %s", stage->words[1]);
    struct fq_name_view view;
    assert_int_equal(fq_engine_name(stage->rig.engine, (uint32_t)id, stage->rig.now, &view), 0);
    expect_number(stage, "offering", view.offering);
    expect_number(stage, "paused", view.paused);
    expect_number(stage, "started", (int64_t)view.started);
    expect_number(stage, "scheduled", (int64_t)view.scheduled);
    expect_number(stage, "submitted", (int64_t)view.submitted_total);
    expect_number(stage, "normal", (int64_t)view.pending[FQ_PRIORITY_NORMAL]);
}

static void do_wait(struct stage *stage) {
    engine_rig_pass(&stage->rig, strtoll(stage->words[1], NULL, 10) * 1000);
}
static void do_jump(struct stage *stage) {
    stage->rig.now.wall_us += strtoll(stage->words[1], NULL, 10) * 1000;
    assert_int_equal(fq_engine_due(stage->rig.engine, stage->rig.now, 1, stage->rig.decision), 0);
    if (fq_decision_event_count(stage->rig.decision) == 1 &&
        fq_event_type_of(fq_decision_event(stage->rig.decision, 0)) == FQ_EVENT_CLOCK_JUMP)
        say(stage, "jump");
    engine_rig_due(&stage->rig);
}
static void do_restart(struct stage *stage) {
    int64_t down_ms = stage->word_count > 1 ? strtoll(stage->words[1], NULL, 10) : 0;
    stage->rig.now.wall_us += down_ms * 1000;
    engine_rig_restart(&stage->rig);
    engine_rig_due(&stage->rig);
}
static void do_compact(struct stage *stage) {
    engine_rig_compact(&stage->rig);
}
static void do_drain(struct stage *stage) {
    fq_engine_set_draining(stage->rig.engine, strcmp(stage->words[1], "on") == 0);
}
static void do_use(struct stage *stage) { // FQ.RESULT: the result counts as used
    struct fq_task_view view;
    assert_int_equal(fq_engine_result(stage->rig.engine, &label_of(stage, stage->words[1])->id, &view), 0);
}

static void do_config(struct stage *stage) {
    struct fq_engine_config config = stage->rig.config;
    config.lease_ms = number(stage, "lease", config.lease_ms);
    config.restart_grace_ms = number(stage, "grace", config.restart_grace_ms);
    config.default_result_ttl_ms = number(stage, "ttl", config.default_result_ttl_ms);
    config.result_bytes_max = (uint64_t)number(stage, "result-bytes", (int64_t)config.result_bytes_max);
    config.result_count_max = (uint64_t)number(stage, "result-count", (int64_t)config.result_count_max);
    config.task_count_max = (uint64_t)number(stage, "tasks", (int64_t)config.task_count_max);
    config.task_bytes_max = (uint64_t)number(stage, "task-bytes", (int64_t)config.task_bytes_max);
    config.name_count_max = (uint32_t)number(stage, "names", config.name_count_max);
    config.worker_count_max = (uint32_t)number(stage, "workers", config.worker_count_max);
    config.dead_count_max = (uint64_t)number(stage, "dead", (int64_t)config.dead_count_max);
    config.crash_max = (uint32_t)number(stage, "crashes", config.crash_max);
    config.loss_max = (uint32_t)number(stage, "losses", config.loss_max);
    engine_rig_close(&stage->rig);
    engine_rig_open_on(&stage->rig, &config, stage->scenario->storage);
}

static const struct {
    const char *word;
    void (*run)(struct stage *stage);
    size_t words_min;
} verbs[] = {
    {"submit",     do_submit,    3},
    {"fetch",      do_fetch,     2},
    {"complete",   do_complete,  2},
    {"fail",       do_fail,      2},
    {"heartbeat",  do_heartbeat, 2},
    {"beat",       do_beat,      2},
    {"release",    do_release,   2},
    {"cancel",     do_cancel,    2},
    {"requeue",    do_requeue,   2},
    {"purge",      do_purge,     1},
    {"register",   do_register,  2},
    {"unregister", do_leave,     2},
    {"gone",       do_leave,     2},
    {"pause",      do_pause,     1},
    {"resume",     do_pause,     1},
    {"task",       do_task,      2},
    {"count",      do_count,     2},
    {"name",       do_name,      3},
    {"wait",       do_wait,      2},
    {"jump",       do_jump,      2},
    {"restart",    do_restart,   1},
    {"compact",    do_compact,   1},
    {"drain",      do_drain,     2},
    {"use",        do_use,       2},
    {"config",     do_config,    2},
};

static void run_line(struct stage *stage, char *line) {
    stage->outcome[0] = '\0';
    stage->failed = false;
    stage->word_count = 0;
    stage->expected = strstr(line, "->");
    if (stage->expected != NULL) {
        *stage->expected = '\0';
        stage->expected += 2 + strspn(stage->expected + 2, " ");
        if (strcmp(stage->expected, "ok") == 0)
            stage->expected = NULL;
    }
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_true(stage->word_count < WORDS_MAX);
        stage->words[stage->word_count++] = word;
    }
    if (stage->word_count == 0)
        return;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].word, stage->words[0]) != 0)
            continue;
        if (stage->word_count < verbs[i].words_min)
            BAD(stage, "too few words");
        verbs[i].run(stage);
        if (stage->expected != NULL ? strcmp(stage->outcome, stage->expected) != 0 : stage->failed)
            BAD(stage, "outcome '%s', expected '%s' (%s)", stage->outcome,
                stage->expected != NULL ? stage->expected : "ok", fq_decision_reason(stage->rig.decision));
        return;
    }
    BAD(stage, "unknown verb '%s'", stage->words[0]);
}

static void run_scenario(void **state) {
    static struct stage stage;
    stage = (struct stage){.scenario = *state, .line = 0};
    engine_rig_open_on(&stage.rig, NULL, stage.scenario->storage);
    char *copy = strdup(stage.scenario->text);
    stage.line = stage.scenario->line;
    char *rest = NULL;
    char *at = copy;
    for (char *next; at != NULL; at = next) {
        next = strchr(at, '\n');
        if (next != NULL)
            *next++ = '\0';
        at[strcspn(at, "~")] = '\0'; // comment
        stage.line++;
        run_line(&stage, at);
    }
    (void)rest;
    free(copy);
    engine_rig_restart(&stage.rig); // whatever came before: the journal tells the same
    engine_rig_compact(&stage.rig);
    engine_rig_restart(&stage.rig); // and so does its snapshot
    engine_rig_close(&stage.rig);
}

// Cuts a file at its "= title" lines.
static void load_file(const char *path, const char *name, struct scenario *scenarios, size_t *count) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    static char text[1 << 17];
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    int line = 0;
    struct scenario *current = NULL;
    char *begin = NULL;
    for (char *at = text; *at != '\0';) {
        char *end = strchrnul(at, '\n');
        line++;
        if (*at == '=') {
            if (current != NULL)
                current->text = strndup(begin, (size_t)(at - begin));
            assert_true(*count < SCENARIOS_MAX);
            current = &scenarios[(*count)++];
            snprintf(current->title, sizeof current->title, "%.*s", (int)(end - at) - 2, at + 2);
            snprintf(current->file, sizeof current->file, "%s", name);
            current->line = line;
            begin = *end != '\0' ? end + 1 : end;
        }
        at = *end != '\0' ? end + 1 : end;
    }
    if (current != NULL)
        current->text = strdup(begin);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

int main(void) {
    static struct scenario scenarios[SCENARIOS_MAX];
    static struct scenario on_storage[(KEEPER_LOG + 1) * SCENARIOS_MAX];
    static struct CMUnitTest tests[(KEEPER_LOG + 1) * SCENARIOS_MAX];
    size_t count = 0;
    struct dirent **entries = NULL;
    int found = scandir(FQ_SCENARIO_DIR, &entries, NULL, by_name);
    for (int i = 0; i < found; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", FQ_SCENARIO_DIR, entries[i]->d_name);
        const char *dot = strrchr(entries[i]->d_name, '.');
        if (dot != NULL && strcmp(dot, ".txt") == 0)
            load_file(path, entries[i]->d_name, scenarios, &count);
        free(entries[i]);
    }
    free(entries);
    if (count < 60) {
        fprintf(stderr, "only %zu scenarios found in %s\n", count, FQ_SCENARIO_DIR);
        return 1;
    }
    size_t test_count = 0;
    for (enum keeper_storage storage = KEEPER_NONE; storage <= KEEPER_LOG; storage++)
        for (size_t i = 0; i < count; i++) {
            struct scenario *one = &on_storage[test_count];
            *one = scenarios[i];
            one->storage = storage;
            size_t len = strlen(one->title);
            snprintf(one->title + len, sizeof one->title - len, ", %s", keeper_storage_name(storage));
            tests[test_count++] = (struct CMUnitTest){one->title, run_scenario, NULL, NULL, one};
        }
    int failed = _cmocka_run_group_tests("scenarios", tests, test_count, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        free(scenarios[i].text);
    return failed;
}
