// SPDX-License-Identifier: Apache-2.0
// Rebuilds, from a recorded run, the disk as a power cut may have left it at every moment, and recovers from each.
//
//   crash_states CALLS ACKS [--states 64] [--every 1] [--real 0] [--program fastqueue] [--scratch DIR] [--evidence FILE] [--ignore sync]
//
// --states: at most so many states a crash point; --every: only each n-th crash point; --real: so many of the states, spread
// evenly, are also written to the real disk and verified by the real program. In every state the journal must start, hold
// everything that had been acknowledged by then, and be a prefix of what was written. Exit code 1 otherwise. --ignore sync and
// --ignore directory take such syncs out of the record, as a program without them would have made it: that must be found.
#include "base/assert.h"
#include "base/hash.h"
#include "base/random.h"
#include "crash_disk.h"
#include "crash_truth.h"
#include "journal/journal.h"
#include "journal/storage_posix.h"
#include "sim/step_executor.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALL_SUBSETS_BITS = 6, NOISY_MAX = 4, REPLAY_EVERY = 97, PATH_LEN = 512 };

struct options {
    const char *calls, *acks, *program, *scratch, *evidence;
    uint64_t states, every, real;
    uint32_t ignored; // enum call_kind: such calls have no effect; 0 = none
};

struct run {
    struct options options;
    struct crash_truth truth;
    crash_disk *disk;
    fq_random random;
    uint64_t needed; // what must be there at this crash point
    size_t next_ack;
    // Of the state being tried.
    uint64_t snapshot_left, seq;
    bool differs;
    struct fq_replica *replica; // NULL = records are only compared
    // Figures.
    uint64_t points, states, noisy, replays, real, real_stride, refused, lost, wrong;
    char first[900];
};

__attribute__((format(printf, 3, 4))) static void complain(struct run *run, uint64_t *figure,
                                                           const char *format, ...) {
    ++*figure;
    if (run->first[0] != '\0')
        return;
    int len = snprintf(run->first, sizeof run->first, "crash point %" PRIu64 ", state %" PRIu64 ": ",
                       run->points, run->states);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->first + len, sizeof run->first - (size_t)len, format, arguments);
    va_end(arguments);
}

// ---- recovery of one state ----

static int on_record(void *context, fq_str record) {
    struct run *run = context;
    if (run->snapshot_left > 0) {
        run->snapshot_left--;
    } else {
        run->seq++;
        run->differs |= run->seq > run->truth.record_count ||
                        fq_hash_str(record, 0) != run->truth.records[run->seq - 1].hash;
    }
    return run->replica != NULL ? fq_replica_record(run->replica, record) : 0;
}

static uint64_t true_state(const struct run *run, uint64_t seq) {
    if (seq == 0)
        return run->truth.empty_state_hash;
    return seq <= run->truth.record_count ? run->truth.records[seq - 1].state_hash : 0;
}

static void judge(struct run *run) {
    if (run->differs)
        complain(run, &run->wrong, "what came back is no prefix of what was written");
    else if (run->seq < run->needed)
        complain(run, &run->lost, "record %" PRIu64 " was acknowledged, the log ends with %" PRIu64,
                 run->needed, run->seq);
    else if (run->replica != NULL && fq_engine_hash(run->replica->engine) != true_state(run, run->seq))
        complain(run, &run->wrong, "the state behind record %" PRIu64 " is another one", run->seq);
}

static int recover(struct run *run, fq_storage *storage, fq_journal *journal) {
    const struct fq_storage_snapshot *snapshot = storage->ops->snapshot(storage);
    run->snapshot_left = snapshot != NULL ? snapshot->record_count : 0;
    run->seq = snapshot != NULL ? snapshot->last_record_seq : 0;
    run->differs = false;
    if (snapshot != NULL && snapshot->state_hash != true_state(run, snapshot->last_record_seq))
        complain(run, &run->wrong, "the snapshot of batch %" PRIu64 " is of another state",
                 snapshot->batch_seq);
    int result = fq_journal_recover(journal, on_record, run);
    if (result == 0)
        judge(run);
    return result == 0 ? fq_journal_start(journal, (struct fq_now){1000000, 1900000000000000}) : result;
}

static void boot(struct run *run) {
    struct fq_storage_posix_options options;
    struct fq_journal_config config;
    fq_storage *storage;
    fq_journal *journal;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    fq_storage_posix_options_init(&options);
    options.first_segment_bytes = 16384;
    options.segment_bytes = 65536;
    options.reserve_bytes = 0;
    fq_journal_config_init(&config);
    int result =
        fq_storage_files_open(crash_disk_attach(run->disk), step_executor_new(), &options, &storage, error);
    if (result < 0) {
        complain(run, &run->refused, "refused: %s", error);
        return;
    }
    FQ_ASSERT(fq_journal_open(storage, &config, &journal) == 0);
    if (recover(run, storage, journal) < 0)
        complain(run, &run->refused, "refused: %s", fq_journal_error(journal));
    fq_journal_close(journal);
}

// ---- the real program ----

static int run_program(const struct run *run, const char *directory, const char *out) {
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen(out, "w", stdout) == NULL)
            _exit(127);
        execl(run->options.program, run->options.program, "journal", "verify", "--json", "--data-dir",
              directory, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void remove_tree(const char *path) {
    char command[PATH_LEN + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    (void)!system(command);
}

static void verify_really(struct run *run) {
    char directory[PATH_LEN], out[PATH_LEN];
    snprintf(directory, sizeof directory, "%s/state", run->options.scratch);
    snprintf(out, sizeof out, "%s/state.json", run->options.scratch);
    remove_tree(directory);
    if (mkdir(directory, 0700) != 0 || !crash_disk_export(run->disk, directory)) {
        complain(run, &run->wrong, "%s: the state cannot be written", directory);
        return;
    }
    run->real++;
    int code = run_program(run, directory, out);
    json_t *report = code == 0 ? json_load_file(out, 0, NULL) : NULL;
    uint64_t last = (uint64_t)json_integer_value(json_object_get(report, "last_record"));
    json_decref(report);
    remove_tree(directory);
    if (code == 74 || code == 65)
        complain(run, &run->refused, "the program refuses with exit code %d", code);
    else if (code != 0)
        complain(run, &run->wrong, "the program ended with %d", code);
    else if (last < run->needed)
        complain(run, &run->lost, "record %" PRIu64 " was acknowledged, the program reads until %" PRIu64,
                 run->needed, last);
}

// ---- states ----

static void try_state(struct run *run, const bool *keep, size_t noise) {
    run->states++;
    run->noisy += noise != SIZE_MAX;
    crash_disk_make(run->disk, keep, noise);
    bool has_manifest = run->needed > 0; // before the first acknowledgement there may be nothing to verify
    if (run->real_stride > 0 && run->states % run->real_stride == 0 && has_manifest)
        verify_really(run);
    struct fq_replica replica;
    if (run->states % REPLAY_EVERY == 0 && fq_replica_init(&replica) == 0) {
        run->replica = &replica;
        run->replays++;
    }
    boot(run);
    if (run->replica != NULL)
        fq_replica_done(&replica);
    run->replica = NULL;
}

static void choose(struct run *run, bool *keep, size_t bits, uint64_t state) {
    if (bits <= ALL_SUBSETS_BITS) {
        for (size_t i = 0; i < bits; i++)
            keep[i] = (state >> i & 1) != 0;
        return;
    }
    // Nothing, everything, everything but the last few, and then any subset.
    enum { FIXED = 10 };
    for (size_t i = 0; i < bits; i++)
        keep[i] = state == 0      ? false
                  : state < FIXED ? i + state <= bits
                                  : fq_random_below(&run->random, 2) == 0;
}

static void try_point(struct run *run) {
    size_t bits = crash_disk_pending(run->disk);
    bool *keep = calloc(bits + 1, sizeof *keep);
    FQ_ASSERT(keep != NULL);
    uint64_t subsets = bits <= ALL_SUBSETS_BITS ? UINT64_C(1) << bits : run->options.states;
    if (subsets > run->options.states)
        subsets = run->options.states;
    run->points++;
    for (uint64_t state = 0; state < subsets; state++) {
        choose(run, keep, bits, state);
        try_state(run, keep, SIZE_MAX);
    }
    for (int i = 0; i < NOISY_MAX && bits > 0; i++) {
        size_t noise = fq_random_below(&run->random, bits);
        if (!crash_disk_is_sector(run->disk, noise))
            continue;
        for (size_t bit = 0; bit < bits; bit++)
            keep[bit] = bit == noise || fq_random_below(&run->random, 3) != 0;
        try_state(run, keep, noise);
    }
    free(keep);
}

static void note_acks(struct run *run, int64_t before_ns) {
    const struct crash_truth *truth = &run->truth;
    for (; run->next_ack < truth->ack_count && truth->acks[run->next_ack].time_ns < before_ns;
         run->next_ack++)
        if (truth->acks[run->next_ack].needs_seq > run->needed)
            run->needed = truth->acks[run->next_ack].needs_seq;
}

static void try_all(struct run *run) {
    const struct crash_truth *truth = &run->truth;
    bool seeks_one = run->options.ignored != 0; // that it is found is all there is to learn
    for (size_t i = 0; i <= truth->call_count && !(seeks_one && run->first[0] != '\0'); i++) {
        note_acks(run, i < truth->call_count ? truth->calls[i].entry->time_ns : INT64_MAX);
        if (i % run->options.every == 0 || i == truth->call_count)
            try_point(run);
        if (i < truth->call_count && truth->calls[i].entry->kind != run->options.ignored)
            crash_disk_follow(run->disk, truth->calls[i].entry, truth->calls[i].data);
    }
}

// ---- figures ----

static void add_row(json_t *rows, const char *name, uint64_t value, const char *unit, bool must_be_zero) {
    json_array_append_new(rows, json_pack("{s:s, s:I, s:s, s:s, s:b}", "name", name, "value",
                                          (json_int_t)value, "unit", unit, "expected",
                                          must_be_zero ? "0" : "", "ok", !must_be_zero || value == 0));
}

static bool report(const struct run *run) {
    json_t *rows = json_array();
    add_row(rows, "recorded system calls", run->truth.call_count, "calls", false);
    add_row(rows, "acknowledgements", run->truth.ack_count, "", false);
    add_row(rows, "records written", run->truth.record_count, "records", false);
    add_row(rows, "crash points", run->points, "", false);
    add_row(rows, "disk states recovered", run->states, "states", false);
    add_row(rows, "… of them with a sector of noise", run->noisy, "states", false);
    add_row(rows, "… of them with the engine's state compared", run->replays, "states", false);
    add_row(rows, "… of them by the real program on a real disk", run->real, "states", false);
    add_row(rows, "states with an acknowledgement lost", run->lost, "states", true);
    add_row(rows, "states that refused to start", run->refused, "states", true);
    add_row(rows, "states that are no prefix of what was written", run->wrong, "states", true);
    for (size_t i = 0; i < json_array_size(rows); i++)
        printf("%-52s %" JSON_INTEGER_FORMAT "\n",
               json_string_value(json_object_get(json_array_get(rows, i), "name")),
               json_integer_value(json_object_get(json_array_get(rows, i), "value")));
    if (run->first[0] != '\0')
        printf("first: %s\n", run->first);
    bool ok = run->lost + run->refused + run->wrong == 0;
    const char *commit = getenv("FQ_COMMIT");
    json_t *document = json_pack("{s:s, s:s, s:o}", "suite", "crash_states", "commit",
                                 commit != NULL ? commit : "", "rows", rows);
    if (run->options.evidence != NULL && json_dump_file(document, run->options.evidence, JSON_INDENT(1)) != 0)
        ok = false;
    json_decref(document);
    return ok;
}

static bool parse(int argc, char **argv, struct options *options) {
    if (argc < 3 || argc % 2 == 0)
        return false;
    *options = (struct options){.calls = argv[1], .acks = argv[2], .states = 64, .every = 1, .scratch = "."};
    for (int i = 3; i < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--states") == 0)
            options->states = number;
        else if (strcmp(argv[i], "--every") == 0)
            options->every = number > 0 ? number : 1;
        else if (strcmp(argv[i], "--real") == 0)
            options->real = number;
        else if (strcmp(argv[i], "--program") == 0)
            options->program = argv[i + 1];
        else if (strcmp(argv[i], "--scratch") == 0)
            options->scratch = argv[i + 1];
        else if (strcmp(argv[i], "--evidence") == 0)
            options->evidence = argv[i + 1];
        else if (strcmp(argv[i], "--ignore") == 0)
            options->ignored = strcmp(argv[i + 1], "sync") == 0 ? CALL_SYNC : CALL_SYNC_DIRECTORY;
        else
            return false;
    }
    return options->real == 0 || options->program != NULL;
}

int main(int argc, char **argv) {
    static struct run run;
    if (!parse(argc, argv, &run.options)) {
        fputs("usage: crash_states CALLS ACKS [--states N] [--every N] [--real N --program FILE] [--scratch "
              "DIR] "
              "[--evidence FILE]\n",
              stderr);
        return 2;
    }
    if (!crash_truth_load(&run.truth, run.options.calls, run.options.acks))
        return 1;
    run.disk = crash_disk_new();
    fq_random_seed(&run.random, 1);
    // How many states there will be is not known before; most points have few changes pending.
    if (run.options.real > 0)
        run.real_stride = 1 + run.truth.call_count * 8 / run.options.every / run.options.real;
    try_all(&run);
    bool ok = report(&run);
    crash_disk_free(run.disk);
    crash_truth_done(&run.truth);
    return ok ? 0 : 1;
}
