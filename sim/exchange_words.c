// SPDX-License-Identifier: Apache-2.0
#include "sim/exchange_words.h"

#include "engine/task_view.h"

#include <string.h>

struct words {
    const fq_str *at;
    size_t count;
    struct sim_exchange *exchange;
};

static bool is(fq_str word, const char *text) {
    return fq_str_equal_nocase(word, fq_str_of(text));
}

static int64_t number(fq_str word) {
    int64_t value;
    return fq_str_to_int64(word, &value) == 0 ? value : -1;
}

static void take_id(const struct words *words, size_t index, fq_uuid *id) {
    if (index < words->count)
        (void)!fq_uuid_parse(words->at[index], id);
}

static void take_token(const struct words *words, size_t index, uint64_t *token) {
    if (index < words->count)
        (void)!fq_str_to_uint64(words->at[index], token);
}

// --- one command each -------------------------------------------------------------------------------------------------
static void take_submit_option(struct sim_exchange *exchange, fq_str word, fq_str value) {
    enum fq_priority priority;
    if (is(word, "ID"))
        (void)!fq_uuid_parse(value, &exchange->id);
    else if (is(word, "PRIORITY") && fq_priority_parse(value, &priority) == 0)
        exchange->submit.priority = priority;
    else if (is(word, "DELAY"))
        exchange->submit.delay_ms = number(value);
    else if (is(word, "AT"))
        exchange->submit.at_ms = number(value);
    else if (is(word, "EXPIRES"))
        exchange->submit.expires_ms = number(value);
    else if (is(word, "TIMEOUT"))
        exchange->submit.timeout_ms = number(value);
    else if (is(word, "BACKOFF"))
        exchange->submit.backoff_ms = number(value);
    else if (is(word, "RESULT-TTL"))
        exchange->submit.result_ttl_ms = number(value);
    else if (is(word, "RETRIES"))
        exchange->submit.retries = (uint32_t)number(value);
    else if (is(word, "UNIQUE"))
        exchange->unique = value;
}

static void take_submit(const struct words *words) {
    struct sim_exchange *exchange = words->exchange;
    exchange->verb = SIM_SUBMIT;
    exchange->submit.priority = FQ_PRIORITY_NORMAL;
    exchange->submit.delay_ms = exchange->submit.at_ms = exchange->submit.expires_ms = -1;
    exchange->submit.timeout_ms = exchange->submit.backoff_ms = exchange->submit.result_ttl_ms = -1;
    if (words->count < 3)
        return;
    exchange->name = words->at[1];
    exchange->body = words->at[2];
    for (size_t i = 3; i + 1 < words->count; i += 2)
        take_submit_option(exchange, words->at[i], words->at[i + 1]);
}

static void take_names(const struct words *words, size_t *at) {
    for (; *at + 1 < words->count; ++*at) {
        unsigned name = 0;
        while (name < SIM_NAMES_MAX && !fq_str_equal(words->at[*at + 1], sim_name(name)))
            name++;
        if (name == SIM_NAMES_MAX)
            return;
        words->exchange->work.names |= UINT32_C(1) << name;
    }
}

static void take_work(const struct words *words, enum sim_verb verb, size_t first) {
    struct sim_exchange *exchange = words->exchange;
    exchange->verb = verb;
    exchange->work.count = 1;
    for (size_t i = first; i < words->count; i++) {
        bool has_value = i + 1 < words->count;
        if (is(words->at[i], "TASKS"))
            take_names(words, &i);
        else if (has_value && (is(words->at[i], "COUNT") || is(words->at[i], "SLOTS")))
            exchange->work.count = (uint32_t)number(words->at[++i]);
        else if (has_value && is(words->at[i], "BLOCK"))
            exchange->waits = number(words->at[++i]) > 0;
        else
            i++;
    }
}

static void take_report(const struct words *words, enum sim_verb verb) {
    struct sim_exchange *exchange = words->exchange;
    exchange->verb = verb;
    take_id(words, 1, &exchange->id);
    take_token(words, 2, &exchange->token);
    if (verb == SIM_COMPLETE && words->count > 3)
        exchange->body = words->at[3];
    for (size_t i = 5; i < words->count && verb == SIM_FAIL; i++) {
        exchange->no_retry = exchange->no_retry || is(words->at[i], "NORETRY");
        exchange->crash = exchange->crash || is(words->at[i], "CRASH");
    }
}

static void take_beats(const struct words *words) {
    struct sim_exchange *exchange = words->exchange;
    exchange->verb = SIM_HEARTBEAT;
    for (size_t i = 1; i + 2 < words->count && exchange->beats.count < SIM_BEATS_MAX; i += 3) {
        size_t beat = exchange->beats.count++;
        exchange->beats.token[beat] = 0;
        take_id(words, i, &exchange->beats.id[beat]);
        take_token(words, i + 1, &exchange->beats.token[beat]);
        exchange->beats.running[beat] = words->at[i + 2].len >= 7;
    }
}

static void take_dead(const struct words *words) {
    struct sim_exchange *exchange = words->exchange;
    exchange->verb = SIM_LIST;
    if (words->count < 3 || is(words->at[1], "LIST"))
        return;
    exchange->verb = is(words->at[1], "REQUEUE") ? SIM_DEAD_REQUEUE : SIM_DEAD_PURGE;
    take_id(words, 2, &exchange->id);
}

// --- all ------------------------------------------------------------------------------------------------------------------
static const struct {
    const char *word;
    enum sim_verb verb;
} commands[] = {
    {"FQ.SUBMIT",     SIM_SUBMIT    },
    {"FQ.RESULT",     SIM_RESULT    },
    {"FQ.STATUS",     SIM_RESULT    },
    {"FQ.WATCH",      SIM_WATCH     },
    {"FQ.CANCEL",     SIM_CANCEL    },
    {"FQ.REGISTER",   SIM_REGISTER  },
    {"FQ.UNREGISTER", SIM_UNREGISTER},
    {"FQ.FETCH",      SIM_FETCH     },
    {"FQ.HEARTBEAT",  SIM_HEARTBEAT },
    {"FQ.COMPLETE",   SIM_COMPLETE  },
    {"FQ.FAIL",       SIM_FAIL      },
    {"FQ.RELEASE",    SIM_RELEASE   },
    {"FQ.PAUSE",      SIM_PAUSE     },
    {"FQ.RESUME",     SIM_RESUME    },
    {"FQ.DEAD",       SIM_LIST      },
    {"FQ.LIST",       SIM_LIST      },
    {"FQ.STATS",      SIM_STATS     },
    {"FQ.QUEUES",     SIM_STATS     },
    {"FQ.WORKERS",    SIM_STATS     },
    {"INFO",          SIM_STATS     },
};

static enum sim_verb verb_of(fq_str word) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (is(word, commands[i].word))
            return commands[i].verb;
    return SIM_OTHER;
}

static void take_words(const struct words *words, enum sim_verb verb) {
    struct sim_exchange *exchange = words->exchange;
    exchange->verb = verb;
    switch (verb) {
    case SIM_SUBMIT: take_submit(words); break;
    case SIM_RESULT:
        exchange->waits = words->count > 3;
        take_id(words, 1, &exchange->id);
        break;
    case SIM_WATCH:
    case SIM_CANCEL: take_id(words, 1, &exchange->id); break;
    case SIM_REGISTER: take_work(words, verb, 2); break;
    case SIM_FETCH: take_work(words, verb, 1); break;
    case SIM_HEARTBEAT: take_beats(words); break;
    case SIM_COMPLETE:
    case SIM_FAIL:
    case SIM_RELEASE: take_report(words, verb); break;
    case SIM_PAUSE:
    case SIM_RESUME:
        if (words->count > 1)
            exchange->name = words->at[1];
        break;
    case SIM_LIST:
        if (is(words->at[0], "FQ.DEAD"))
            take_dead(words);
        break;
    default: break;
    }
}

void sim_exchange_of_words(const fq_str *words, size_t count, struct sim_exchange *ret_exchange) {
    memset(ret_exchange, 0, sizeof *ret_exchange);
    ret_exchange->verb = SIM_OTHER;
    ret_exchange->name = ret_exchange->body = ret_exchange->unique = FQ_STR("");
    ret_exchange->work.worker = "";
    struct words all = {words, count, ret_exchange};
    if (count > 0)
        take_words(&all, verb_of(words[0]));
}
