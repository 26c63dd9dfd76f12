// SPDX-License-Identifier: Apache-2.0
// What a lease's holder says of it. Every one may come twice: the second time the token proves nothing any more.
#include "client/worker_state.h"

#include "net/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 16, NUMBER_MAX = 24 };

void fq_lease_report_init(struct fq_lease_report *report) {
    *report = (struct fq_lease_report){.size = sizeof *report, .run_us = -1};
}

// A command that is being put together.
struct verb {
    fq_slice words[WORDS_MAX];
    size_t count;
    char token[NUMBER_MAX], started[NUMBER_MAX], run[NUMBER_MAX];
};

static void add(struct verb *verb, const void *bytes, size_t len) {
    verb->words[verb->count++] = (fq_slice){bytes, len};
}

static void add_text(struct verb *verb, const char *text) {
    add(verb, text, strlen(text));
}

static void add_option(struct verb *verb, const char *word, const char *text) {
    if (text == NULL || text[0] == '\0')
        return;
    add_text(verb, word);
    add_text(verb, text);
}

static const char *decimal(char text[NUMBER_MAX], int64_t number) {
    snprintf(text, NUMBER_MAX, "%" PRId64, number);
    return text;
}

static void begin(struct verb *verb, const char *name, const struct fq_lease *lease) {
    verb->count = 0;
    snprintf(verb->token, sizeof verb->token, "%" PRIu64, lease->token);
    add_text(verb, name);
    add_text(verb, lease->id);
    add_text(verb, verb->token);
}

static struct fq_lease_report take_report(const struct fq_lease_report *given) {
    struct fq_lease_report report;
    fq_lease_report_init(&report);
    if (given != NULL)
        memcpy(&report, given, given->size < sizeof report ? given->size : sizeof report);
    fq_run_fill(&report);
    return report;
}

static void add_run(struct verb *verb, const struct fq_lease_report *report) {
    if (report->started_unix_ms > 0)
        add_option(verb, "STARTED", decimal(verb->started, report->started_unix_ms));
    if (report->run_us >= 0)
        add_option(verb, "RUN", decimal(verb->run, report->run_us));
    add_option(verb, "TRACEPARENT", report->traceparent);
}

static void put_completion(struct verb *verb, const struct fq_lease *lease, fq_slice result,
                           const struct fq_lease_report *report) {
    begin(verb, "FQ.COMPLETE", lease);
    add(verb, result.ptr, result.len);
    add_option(verb, "ENCODING", report->encoding);
    add_run(verb, report);
}

static int send_verb(fq_client *client, const struct verb *verb) {
    const struct fq_value *values;
    return fq_client_request(client, verb->words, verb->count, true, 0, &values);
}

int fq_lease_complete(fq_client *client, const struct fq_lease *lease, const void *result, size_t result_len,
                      const struct fq_lease_report *given) {
    struct fq_lease_report report = take_report(given);
    struct verb verb;
    put_completion(&verb, lease, (fq_slice){result, result_len}, &report);
    int rc = send_verb(client, &verb);
    fq_run_end(client, report.run, NULL, NULL, NULL, report.run_us);
    return rc;
}

int fq_lease_fail(fq_client *client, const struct fq_lease *lease, const char *type, const char *message,
                  const struct fq_lease_report *given) {
    struct fq_lease_report report = take_report(given);
    struct verb verb;
    begin(&verb, "FQ.FAIL", lease);
    add_text(&verb, type);
    add_text(&verb, message);
    add_option(&verb, "STACK", report.stack);
    add_run(&verb, &report);
    if (report.no_retry)
        add_text(&verb, "NORETRY");
    int rc = send_verb(client, &verb);
    fq_run_end(client, report.run, type, message, report.stack, report.run_us);
    return rc;
}

int fq_lease_release(fq_client *client, const struct fq_lease *lease) {
    struct verb verb;
    begin(&verb, "FQ.RELEASE", lease);
    return send_verb(client, &verb);
}

// --- many at once ---------------------------------------------------------------------------------------------------------
enum { WINDOW = 4096, NOT_ANSWERED = 1 };

struct outcomes {
    struct fq_lease_outcome *all;
    size_t count, asked, answered;
};

static int ask_one(fq_client *client, uint64_t tag, struct fq_lease_outcome *outcome) {
    struct fq_lease_report report = take_report(outcome->report);
    struct verb verb;
    put_completion(&verb, &outcome->lease, (fq_slice){outcome->result, outcome->result_len}, &report);
    int rc = fq_session_command(client->session, verb.words, verb.count, true, tag);
    if (rc == 0)
        fq_run_end(client, report.run, NULL, NULL, NULL, report.run_us);
    return rc;
}

// 0, also when the session holds all it may: answers make room.
static int ask_more(fq_client *client, const struct fq_client_errand *errand) {
    struct outcomes *outcomes = errand->context;
    while (outcomes->asked < outcomes->count && outcomes->asked - outcomes->answered < WINDOW) {
        size_t index = outcomes->asked;
        int rc = ask_one(client, errand->tag + index, &outcomes->all[index]);
        if (rc == FQ_EFULL && outcomes->asked > outcomes->answered)
            return 0;
        if (rc < 0)
            return fq_client_fail_session(client, rc);
        outcomes->asked++;
    }
    return 0;
}

static int on_outcome(fq_client *client, struct fq_client_errand *errand,
                      const struct fq_session_event *event) {
    struct outcomes *outcomes = errand->context;
    uint64_t index = event->tag - errand->tag;
    if (event->type != FQ_SESSION_REPLY || index >= outcomes->asked)
        return 0;
    outcomes->all[index].error = event->error;
    outcomes->answered++;
    errand->deadline_us = fq_time_add(fq_clock_now().boot_us, client->timeout_us);
    if (event->error < 0)
        (void)fq_client_fail(client, event->error, event->message);
    if (outcomes->answered == outcomes->count)
        return 1;
    return outcomes->asked - outcomes->answered <= WINDOW / 2 ? ask_more(client, errand) : 0;
}

int fq_lease_complete_many(fq_client *client, struct fq_lease_outcome *all, size_t count) {
    struct outcomes outcomes = {.all = all, .count = count};
    struct fq_client_errand errand = fq_client_errand_begin(client);
    if (count == 0)
        return 0;
    client->next_tag += count;
    errand.on_event = on_outcome;
    errand.context = &outcomes;
    for (size_t i = 0; i < count; i++)
        all[i].error = NOT_ANSWERED;
    int rc = ask_more(client, &errand);
    if (rc == 0)
        rc = fq_client_drive(client, &errand);
    for (size_t i = 0; rc < 0 && i < count; i++) {
        if (all[i].error != NOT_ANSWERED)
            continue;
        all[i].error = rc;
        if (i < outcomes.asked)
            fq_session_forget(client->session, errand.tag + i);
        else if (all[i].report != NULL)
            fq_run_end(client, all[i].report->run, NULL, NULL, NULL, all[i].report->run_us);
    }
    return rc < 0 ? rc : 0;
}

// --- heartbeats -----------------------------------------------------------------------------------------------------------
struct beat_text {
    char token[NUMBER_MAX], state[NUMBER_MAX + sizeof "running@"];
};

static void write_beat(const struct fq_lease_beat *beat, struct beat_text *text, fq_slice words[3]) {
    snprintf(text->token, sizeof text->token, "%" PRIu64, beat->lease.token);
    if (!beat->is_running)
        snprintf(text->state, sizeof text->state, "held");
    else if (beat->started_unix_ms <= 0)
        snprintf(text->state, sizeof text->state, "running");
    else
        snprintf(text->state, sizeof text->state, "running@%" PRId64, beat->started_unix_ms);
    words[0] = (fq_slice){beat->lease.id, strlen(beat->lease.id)};
    words[1] = (fq_slice){text->token, strlen(text->token)};
    words[2] = (fq_slice){text->state, strlen(text->state)};
}

static int read_verdicts(const struct fq_value *values, size_t count, enum fq_lease_verdict *ret_verdicts) {
    static const char *const words[] = {
        [FQ_LEASE_OK] = "ok",
        [FQ_LEASE_CANCEL] = "cancel",
        [FQ_LEASE_STALE] = "stale",
        [FQ_LEASE_DRAIN] = "drain",
    };
    if (values[0].type != FQ_VALUE_ARRAY || values[0].child_count != count)
        return FQ_EPROTOCOL;
    for (size_t i = 0; i < count; i++) {
        const struct fq_value *word = &values[i + 1]; // texts have no children
        size_t verdict = 0;
        while (verdict < 4 && (word->text.len != strlen(words[verdict]) ||
                               memcmp(word->text.ptr, words[verdict], word->text.len) != 0))
            verdict++;
        if (word->type != FQ_VALUE_TEXT || verdict == 4)
            return FQ_EPROTOCOL;
        ret_verdicts[i] = (enum fq_lease_verdict)verdict;
    }
    return 0;
}

int fq_lease_heartbeat(fq_client *client, const struct fq_lease_beat *beats, size_t count,
                       enum fq_lease_verdict *ret_verdicts) {
    fq_slice *words = calloc(1 + 3 * count, sizeof *words);
    struct beat_text *texts = calloc(count + 1, sizeof *texts);
    const struct fq_value *values;
    int rc = FQ_ENOMEM;
    if (words != NULL && texts != NULL) {
        words[0] = (fq_slice){"FQ.HEARTBEAT", 12};
        for (size_t i = 0; i < count; i++)
            write_beat(&beats[i], &texts[i], &words[1 + 3 * i]);
        rc = fq_client_request(client, words, 1 + 3 * count, true, 0, &values);
    } else {
        rc = fq_client_fail_text(client, rc, fq_strerror(rc));
    }
    free(words);
    free(texts);
    if (rc < 0)
        return rc;
    rc = read_verdicts(values, count, ret_verdicts);
    return rc < 0 ? fq_client_fail_text(client, rc, "the answer to FQ.HEARTBEAT has no verdict for each") : 0;
}
