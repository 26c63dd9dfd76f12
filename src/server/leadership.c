// SPDX-License-Identifier: Apache-2.0
#include "server/leadership.h"

#include "base/assert.h"
#include "net/clock.h"
#include "server/exit_code.h"
#include "server/membership.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BEAT_US = 400 * FQ_US_PER_MS,
    LOOK_US = 100 * FQ_US_PER_MS,
    // A leader that was not heard of for so long is taken to be gone. Several beats, so that a late one changes nothing.
    SILENCE_US = 2 * FQ_US_PER_S,
    SHARDS_US = 500 * FQ_US_PER_MS, // between two looks at their map
    DAMAGED_MOST = 5,               // times in a row: a snapshot may be replaced while it is read
};

struct fq_leadership {
    struct fq_leadership_config config;
    pthread_t thread;
    pthread_mutex_t mutex; // guards what follows
    pthread_cond_t ending;
    bool is_ending;
    enum fq_leadership_state state;
    int exit_code;
    struct fq_leader leader;
    struct fq_shard_map shards;
    uint64_t shards_revision;
    // The thread's own.
    fq_stream *stream;
    struct fq_store store;
    bool has_store;
    int damaged; // times in a row
    struct fq_leader seen;
    int64_t seen_since_us;
    bool told_silence;
    struct fq_membership membership;
    int64_t shards_seen_us;
};

static const struct fq_log *log_of(const fq_leadership *leadership) {
    return leadership->config.options->log;
}

static void tell(fq_leadership *leadership, enum fq_leadership_state state) {
    pthread_mutex_lock(&leadership->mutex);
    bool is_new = leadership->state != state || leadership->leader.revision != leadership->seen.revision;
    leadership->state = state;
    leadership->leader = leadership->seen;
    pthread_mutex_unlock(&leadership->mutex);
    if (is_new)
        leadership->config.wake(leadership->config.context);
}

// False: it is time to end.
static bool pause_for(fq_leadership *leadership, int64_t pause_us) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + pause_us * 1000;
    until.tv_sec += ns / (FQ_US_PER_S * 1000);
    until.tv_nsec = ns % (FQ_US_PER_S * 1000);
    pthread_mutex_lock(&leadership->mutex);
    while (!leadership->is_ending &&
           pthread_cond_timedwait(&leadership->ending, &leadership->mutex, &until) == 0)
        ;
    bool goes_on = !leadership->is_ending;
    pthread_mutex_unlock(&leadership->mutex);
    return goes_on;
}

static void fail(fq_leadership *leadership, int exit_code) {
    pthread_mutex_lock(&leadership->mutex);
    leadership->exit_code = exit_code;
    pthread_mutex_unlock(&leadership->mutex);
    tell(leadership, FQ_LEADERSHIP_FAILED);
}

// ---- following ----

static bool connect_stream(fq_leadership *leadership) {
    char error[FQ_STREAM_ERROR_MAX] = "";
    int result = fq_store_open_stream(leadership->config.options, &leadership->stream, error);
    if (result == 0)
        return true;
    if (result != FQ_EAGAIN) {
        fq_log_write(log_of(leadership), FQ_LOG_ERROR, "store %s", error);
        fail(leadership, fq_store_exit_code(result));
    } else if (!leadership->told_silence) {
        fq_log_write(log_of(leadership), FQ_LOG_WARNING, "store %s; tried again without end", error);
    }
    leadership->told_silence = true;
    return false;
}

static void drop_store(fq_leadership *leadership) {
    if (leadership->has_store)
        fq_store_close(&leadership->store);
    leadership->has_store = false;
}

// Reads what is new in the log. 0: up to its end as it was.
static int catch_up(fq_leadership *leadership) {
    char error[FQ_STORAGE_ERROR_MAX] = "";
    int result = 0;
    if (!leadership->has_store) {
        result = fq_store_open_replica(leadership->config.options, leadership->config.wake,
                                       leadership->config.context, &leadership->store, error);
        leadership->has_store = result == 0;
        if (result == 0)
            fq_log_write(log_of(leadership), FQ_LOG_INFO,
                         "store log read until record=%" PRIu64 " tasks=%llu took_ms=%lld",
                         fq_journal_last_seq(leadership->store.journal),
                         (unsigned long long)leadership->store.recovered,
                         (long long)(leadership->store.recovery_us / FQ_US_PER_MS));
    } else {
        result = fq_store_follow(&leadership->store, error);
    }
    if (result == 0) {
        leadership->damaged = 0;
        return 0;
    }
    if (result != FQ_EAGAIN)
        drop_store(leadership);
    if (result != FQ_EAGAIN && (result != FQ_ECORRUPT || ++leadership->damaged >= DAMAGED_MOST)) {
        fq_log_write(log_of(leadership), FQ_LOG_ERROR, "store %s",
                     error[0] != '\0' ? error : fq_strerror(result));
        fail(leadership, fq_store_exit_code(result));
    }
    return result;
}

// ---- the other shards ----

static void tell_shards(fq_leadership *leadership) {
    struct fq_shard_map copy = {0};
    fq_buf text = {0};
    if (fq_shard_map_format(&leadership->membership.map, &text) == 0 &&
        fq_shard_map_parse(&copy, fq_buf_str(&text)) == 0) {
        pthread_mutex_lock(&leadership->mutex);
        fq_shard_map_done(&leadership->shards);
        leadership->shards = copy;
        leadership->shards_revision = leadership->membership.revision;
        pthread_mutex_unlock(&leadership->mutex);
        leadership->config.wake(leadership->config.context);
    }
    fq_buf_done(&text);
}

static void look_at_shards(fq_leadership *leadership, bool leads) {
    int64_t now_us = fq_clock_now().boot_us;
    if (leadership->config.options->shard < 0 || now_us - leadership->shards_seen_us < SHARDS_US)
        return;
    int result = fq_membership_step(&leadership->membership, leadership->stream, leads);
    if (result == FQ_ECORRUPT || result == FQ_EINVALID || result == FQ_EIO)
        fq_log_write(log_of(leadership), FQ_LOG_ERROR, "shards %s", leadership->stream->error);
    if (result >= 0)
        leadership->shards_seen_us = result == 1 || leadership->membership.revision != 0 ? now_us : 0;
    if (result == 1)
        tell_shards(leadership);
}

static bool is_vacant(fq_leadership *leadership, const struct fq_leader *leader, int64_t now_us) {
    if (leader->revision != leadership->seen.revision || leadership->seen_since_us == 0) {
        leadership->seen_since_us = now_us;
        leadership->seen = *leader;
    }
    return !leader->is_active || now_us - leadership->seen_since_us >= SILENCE_US;
}

static int claim(fq_leadership *leadership) {
    struct fq_leader mine = {
        .is_active = true, .beat = leadership->seen.beat + 1, .revision = leadership->seen.revision};
    snprintf(mine.address, sizeof mine.address, "%s", leadership->config.address);
    snprintf(mine.id, sizeof mine.id, "%s", leadership->config.id);
    int result = fq_leader_put(leadership->stream, &mine);
    if (result == 0)
        leadership->seen = mine;
    return result;
}

// Whether the place was vacant and is ours now.
static bool try_to_lead(fq_leadership *leadership) {
    struct fq_leader leader;
    if (fq_leader_get(leadership->stream, &leader) < 0)
        return false;
    bool vacant = is_vacant(leadership, &leader, fq_clock_now().boot_us);
    tell(leadership, FQ_LEADERSHIP_FOLLOWING);
    if (!vacant)
        return false;
    struct fq_leader before = leadership->seen;
    if (claim(leadership) != 0)
        return false;
    if (before.revision != 0)
        fq_log_write(log_of(leadership), FQ_LOG_WARNING, "leader taking over from %s at %s: %s", before.id,
                     before.address, before.is_active ? "not heard of for 2 s" : "it left");
    return true;
}

// ---- leading ----

// One more sign of life, or the last one. False: another leads now.
static bool beat(fq_leadership *leadership, bool is_active) {
    struct fq_leader next = leadership->seen;
    next.beat++;
    next.is_active = is_active;
    int result = fq_leader_put(leadership->stream, &next);
    if (result == 0)
        leadership->seen = next;
    return result != FQ_ELOCKED;
}

// The log's end may move while a leader that was thought gone still writes; it hears of the claim at its next beat.
static bool make_writable(fq_leadership *leadership) {
    for (;;) {
        int result = catch_up(leadership);
        char error[FQ_STORAGE_ERROR_MAX] = "";
        if (result == 0)
            result = fq_store_start(&leadership->store, error);
        if (result == 0)
            return true;
        if (result != FQ_EAGAIN && result != FQ_ELOCKED && result != FQ_ECORRUPT) {
            fq_log_write(log_of(leadership), FQ_LOG_ERROR, "store %s", error);
            fail(leadership, fq_store_exit_code(result));
            return false;
        }
        if (!pause_for(leadership, result == FQ_ELOCKED ? 1000 : LOOK_US) || !beat(leadership, true))
            return false;
    }
}

static void lead(fq_leadership *leadership) {
    while (pause_for(leadership, BEAT_US)) {
        if (beat(leadership, true)) {
            look_at_shards(leadership, true);
            continue;
        }
        struct fq_leader now;
        if (fq_leader_get(leadership->stream, &now) == 0)
            leadership->seen = now;
        tell(leadership, FQ_LEADERSHIP_LOST);
        return;
    }
    (void)beat(leadership, false);
}

static bool has_failed(fq_leadership *leadership) {
    pthread_mutex_lock(&leadership->mutex);
    bool failed = leadership->state == FQ_LEADERSHIP_FAILED;
    pthread_mutex_unlock(&leadership->mutex);
    return failed;
}

static void *run(void *argument) {
    fq_leadership *leadership = argument;
    do {
        if (leadership->stream == NULL && !connect_stream(leadership))
            continue;
        look_at_shards(leadership, false);
        if (catch_up(leadership) != 0 || !try_to_lead(leadership))
            continue;
        if (make_writable(leadership)) {
            leadership->shards_seen_us = 0; // clients are to find it at once
            look_at_shards(leadership, true);
            tell(leadership, FQ_LEADERSHIP_WON);
            lead(leadership);
            return NULL;
        }
        leadership->seen_since_us = 0;
    } while (!has_failed(leadership) && pause_for(leadership, LOOK_US));
    return NULL;
}

// ---- the owner's ----

// The thread, and those that the connection starts from it, take no signals: a late one would end a server that is closing.
static int start_thread(fq_leadership *leadership) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&leadership->thread, NULL, run, leadership);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

fq_leadership *fq_leadership_start(const struct fq_leadership_config *config) {
    fq_leadership *leadership = calloc(1, sizeof *leadership);
    if (leadership == NULL)
        return NULL;
    leadership->config = *config;
    leadership->membership = (struct fq_membership){.shard = (uint32_t)config->options->shard,
                                                    .founding_count = config->options->shards_at_founding,
                                                    .address = config->address};
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&leadership->mutex, NULL);
    pthread_cond_init(&leadership->ending, &clock);
    pthread_condattr_destroy(&clock);
    if (start_thread(leadership) == 0)
        return leadership;
    pthread_cond_destroy(&leadership->ending);
    pthread_mutex_destroy(&leadership->mutex);
    free(leadership);
    return NULL;
}

enum fq_leadership_state fq_leadership_look(fq_leadership *leadership, struct fq_leader *ret_leader) {
    pthread_mutex_lock(&leadership->mutex);
    enum fq_leadership_state state = leadership->state;
    *ret_leader = leadership->leader;
    pthread_mutex_unlock(&leadership->mutex);
    return state;
}

bool fq_leadership_shards(fq_leadership *leadership, struct fq_shard_map *map, uint64_t *revision) {
    pthread_mutex_lock(&leadership->mutex);
    bool is_new = leadership->shards_revision != *revision;
    if (is_new) {
        fq_shard_map_done(map);
        *map = leadership->shards;
        leadership->shards = (struct fq_shard_map){0};
        *revision = leadership->shards_revision;
    }
    pthread_mutex_unlock(&leadership->mutex);
    return is_new;
}

int fq_leadership_exit_code(fq_leadership *leadership) {
    pthread_mutex_lock(&leadership->mutex);
    int code = leadership->exit_code;
    pthread_mutex_unlock(&leadership->mutex);
    return code;
}

void fq_leadership_take(fq_leadership *leadership, struct fq_store *ret_store) {
    FQ_ASSERT(leadership->has_store); // the thread does not touch it any more
    *ret_store = leadership->store;
    leadership->has_store = false;
}

fq_leadership *fq_leadership_end(fq_leadership *leadership) {
    if (leadership == NULL)
        return NULL;
    pthread_mutex_lock(&leadership->mutex);
    leadership->is_ending = true;
    pthread_cond_signal(&leadership->ending);
    pthread_mutex_unlock(&leadership->mutex);
    pthread_join(leadership->thread, NULL);
    drop_store(leadership);
    fq_membership_done(&leadership->membership);
    fq_shard_map_done(&leadership->shards);
    if (leadership->stream != NULL)
        leadership->stream->ops->close(leadership->stream);
    pthread_cond_destroy(&leadership->ending);
    pthread_mutex_destroy(&leadership->mutex);
    free(leadership);
    return NULL;
}
