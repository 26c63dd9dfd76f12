// SPDX-License-Identifier: Apache-2.0
// fq-sim: runs seeds of the simulator, one to look at or many side by side, and makes a failing one smaller.
#include "base/random.h"
#include "base/str.h"
#include "fastqueue/error.h"
#include "fastqueue/version.h"
#include "sim/allocation.h"
#include "sim/campaign.h"
#include "sim/invariant.h"
#include "sim/shrink.h"
#include "sim/small.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { EXIT_BROKEN = 1, EXIT_USAGE = 2, OPERATIONS = 30000, LINES = 200, SHRINK_S = 120, REPEAT = 16 };

static const char usage[] =
    "usage: fq-sim [OPTION]...\n"
    "  --seed N           run one seed\n"
    "  --seeds FROM..TO   run these; without either, fresh ones from the system's entropy\n"
    "  --seeds-file FILE  run the seeds of a file: lines `seed [operations] [name=value]... # why`\n"
    "  --seconds S        stop after so long; 0 = never\n"
    "  --ops N            operations of each run's first phase (30000)\n"
    "  --jobs J           processes (1)\n"
    "  --set NAME=VALUE   pin an option of the run; --options lists them\n"
    "  --without FAULT    switch a fault off: kill, power, drift_ppm, …\n"
    "  --verbose          say what happens, while it happens\n"
    "  --keep FILE        write the report of a failure there, too\n"
    "  --shrink           make a failing run smaller\n"
    "  --reports          say every minute how far it is\n"
    "  --evidence FILE    write the figures there\n"
    "  --small DEPTH      all small worlds: scripts of so many commands, a crash at every call to the disk\n"
    "  --small-world W    one of them, as a failure names it\n"
    "  --invariants       what is checked, as a table\n"
    "  --options          list the options and what the seed draws\n";

struct arguments {
    uint64_t seed, first, last, operations;
    bool has_seed, has_range, is_verbose, shrinks, reports, lists, lists_invariants;
    int64_t seconds;
    unsigned jobs;
    struct sim_pins pins;
    const char *keep, *evidence, *seeds_file, *small_world;
    uint64_t small_depth; // 0 = none
};

static const char *commit(void) {
    const char *text = getenv("FASTQUEUE_COMMIT");
    return text != NULL && text[0] != '\0' ? text : FQ_VERSION;
}

// --- telling of a failure -------------------------------------------------------------------------------------------------
static void print_line(void *context, const char *line) {
    fprintf(context, "  %s\n", line);
}

static void print_option(void *context, const char *name, uint64_t value) {
    fprintf(context, " %s=%" PRIu64, name, value);
}

static void print_command(FILE *out, const struct sim_plan *plan) {
    fprintf(out, "repeat with: fq-sim --seed %" PRIu64 " --ops %" PRIu64, plan->seed, plan->operations);
    for (size_t i = 0; i < plan->pin_count; i++)
        fprintf(out, " --set %s", plan->pins[i]);
    fputs("\n", out);
}

static void print_head(FILE *out, const struct sim_plan *plan) {
    struct sim_options options;
    const char *bad;
    if (sim_plan_options(plan, &options, &bad) < 0)
        return;
    fprintf(out, "seed %" PRIu64 ", commit %s, operations %" PRIu64 ", options:", plan->seed, commit(),
            plan->operations);
    sim_options_each(&options, print_option, out);
    fputs("\n", out);
}

static void print_outcome(FILE *out, const struct sim_plan *plan, const struct sim_outcome *outcome) {
    if (outcome->failure[0] != '\0')
        fprintf(out, "BROKEN %s\n", outcome->failure);
    fprintf(out,
            "trace hash %016" PRIx64 ", %" PRIu64 " operations, %" PRIu64 " events, %.3f simulated seconds\n",
            outcome->trace, outcome->operations, outcome->events, (double)outcome->simulated_us / 1e6);
    if (outcome->failure[0] != '\0')
        print_command(out, plan);
}

// Runs it once more with its lines kept.
static void report(FILE *out, const struct sim_plan *failed) {
    struct sim_plan plan = *failed;
    struct sim_outcome outcome;
    plan.kept_lines = LINES;
    plan.on_line = print_line;
    plan.on_count = NULL;
    plan.context = out;
    print_head(out, &plan);
    fprintf(out, "the last %d lines:\n", LINES);
    sim_run(&plan, &outcome);
    print_outcome(out, &plan, &outcome);
}

static int tell_failure(const struct arguments *arguments, struct sim_plan *plan, const char *failure) {
    static struct sim_pins pins;
    printf("BROKEN %s\n", failure);
    bool has_crashed = strncmp(failure, "CRASH", 5) == 0;
    if (has_crashed) { // to run it again here would end this program as well
        print_head(stdout, plan);
        print_command(stdout, plan);
        puts("with --verbose to see how far it comes");
        return EXIT_BROKEN;
    }
    plan->kept_lines = 0;
    plan->aloud = false;
    plan->on_count = NULL;
    if (arguments->shrinks) {
        pins = arguments->pins;
        for (size_t i = 0; i < pins.count; i++)
            pins.list[i] = pins.texts[i];
        sim_shrink(plan, failure, &pins, SHRINK_S);
    }
    report(stdout, plan);
    FILE *kept = arguments->keep != NULL ? fopen(arguments->keep, "w") : NULL;
    if (kept != NULL) {
        report(kept, plan);
        fclose(kept);
    }
    return EXIT_BROKEN;
}

// --- what to run ----------------------------------------------------------------------------------------------------------
static struct sim_plan plan_of(const struct arguments *arguments) {
    return (struct sim_plan){.seed = arguments->seed,
                             .operations = arguments->operations,
                             .pins = arguments->pins.list,
                             .pin_count = arguments->pins.count,
                             .set_memory = sim_allocation_fail};
}

static void on_count(void *context, const char *name, uint64_t times) {
    sim_totals_count(context, name, times);
}

static int run_one(const struct arguments *arguments) {
    static struct sim_totals totals;
    struct sim_plan plan = plan_of(arguments);
    struct sim_outcome outcome;
    memset(&totals, 0, sizeof totals);
    plan.aloud = arguments->is_verbose;
    plan.kept_lines = arguments->is_verbose ? LINES : 0;
    plan.on_count = on_count;
    plan.context = &totals;
    print_head(stdout, &plan);
    fflush(stdout);
    sim_run(&plan, &outcome);
    if (outcome.failure[0] != '\0')
        return tell_failure(arguments, &plan, outcome.failure);
    sim_totals_add_run(&totals, &outcome);
    sim_totals_print(&totals, stdout);
    print_outcome(stdout, &plan, &outcome);
    return 0;
}

static int run_many(const struct arguments *arguments) {
    static struct sim_totals totals;
    struct sim_campaign campaign = {.plan = plan_of(arguments),
                                    .first = arguments->first,
                                    .last = arguments->last,
                                    .jobs = arguments->jobs,
                                    .seconds = arguments->seconds,
                                    .repeat = REPEAT,
                                    .reports = arguments->reports};
    printf("commit %s, seeds from %" PRIu64 ", %" PRIu64 " operations each, %u processes\n", commit(),
           arguments->first, arguments->operations, arguments->jobs);
    fflush(stdout);
    if (sim_campaign_run(&campaign, &totals) < 0)
        return EXIT_USAGE;
    sim_totals_print(&totals, stdout);
    if (arguments->evidence != NULL && sim_totals_write(&totals, arguments->evidence, commit()) < 0)
        fprintf(stderr, "fq-sim: %s cannot be written\n", arguments->evidence);
    if (!totals.has_failed)
        return 0;
    campaign.plan.seed = totals.seed;
    return tell_failure(arguments, &campaign.plan, totals.failure);
}

// One line of a file of seeds. 0, EXIT_BROKEN, or EXIT_USAGE.
static int run_line(const struct arguments *arguments, char *line) {
    static struct arguments own;
    own = *arguments;
    line[strcspn(line, "#\n")] = '\0';
    char *rest, *word = strtok_r(line, " \t", &rest);
    if (word == NULL)
        return 0;
    for (size_t i = 0; i < own.pins.count; i++)
        own.pins.list[i] = own.pins.texts[i];
    if (fq_str_to_uint64(fq_str_of(word), &own.seed) < 0)
        return EXIT_USAGE;
    for (word = strtok_r(NULL, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest)) {
        char *equals = strchr(word, '=');
        uint64_t value;
        if (fq_str_to_uint64(fq_str_of(equals != NULL ? equals + 1 : word), &value) < 0)
            return EXIT_USAGE;
        if (equals != NULL)
            *equals = '\0';
        if (equals != NULL)
            sim_pins_set(&own.pins, word, value);
        else
            own.operations = value;
    }
    return run_one(&own);
}

static int run_file(const struct arguments *arguments) {
    FILE *in = fopen(arguments->seeds_file, "r");
    char line[1024];
    int worst = in == NULL ? EXIT_USAGE : 0;
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        int code = run_line(arguments, line);
        worst = code > worst ? code : worst;
    }
    if (in != NULL)
        fclose(in);
    if (worst == EXIT_USAGE)
        fprintf(stderr, "fq-sim: %s cannot be read\n", arguments->seeds_file);
    return worst;
}

static void list_option(void *context, const char *name, uint64_t value) {
    (void)context;
    static const struct {
        const char *name, *help;
    } rows[] = {
#define X(field, type, text) {#field, text},
        SIM_OPTIONS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            printf("%-20s %14" PRIu64 "  %s\n", name, value, rows[i].help);
}

static int list_invariants(void) {
    puts("| | what holds | how it is checked |\n|---|---|---|");
    for (size_t i = 0; i < SIM_INVARIANT_COUNT; i++) {
        const struct sim_invariant_row *row = &sim_invariant_rows[i];
        printf("| %s | %s | %s |\n", row->label, row->sentence, row->how);
    }
    return 0;
}

static int list_options(const struct arguments *arguments) {
    struct sim_plan plan = plan_of(arguments);
    struct sim_options options;
    const char *bad;
    if (sim_plan_options(&plan, &options, &bad) < 0)
        return EXIT_USAGE;
    sim_options_each(&options, list_option, NULL);
    return 0;
}

static int run_small(const struct arguments *arguments) {
    struct sim_small_plan plan = {.depth = (unsigned)arguments->small_depth,
                                  .jobs = arguments->jobs,
                                  .seconds = arguments->seconds,
                                  .script = arguments->small_world};
    struct sim_small_totals totals;
    if (sim_small_run(&plan, &totals) < 0)
        return EXIT_USAGE;
    sim_small_print(&totals, stdout);
    if (arguments->evidence != NULL && sim_small_write(&totals, arguments->evidence, commit()) < 0)
        fprintf(stderr, "fq-sim: %s cannot be written\n", arguments->evidence);
    return totals.failed[0] == '\0' ? 0 : EXIT_BROKEN;
}

// --- arguments --------------------------------------------------------------------------------------------------------------
static bool parse_number(const char *text, uint64_t *ret_value) {
    return fq_str_to_uint64(fq_str_of(text), ret_value) == 0;
}

static bool parse_range(const char *text, struct arguments *arguments) {
    const char *dots = strstr(text, "..");
    arguments->has_range = true;
    return dots != NULL && fq_str_to_uint64((fq_str){text, (size_t)(dots - text)}, &arguments->first) == 0 &&
           parse_number(dots + 2, &arguments->last) && arguments->first <= arguments->last;
}

static bool pin(struct arguments *arguments, const char *name, size_t len, uint64_t value) {
    char text[SIM_PIN_SIZE], whole[SIM_PIN_SIZE + 24];
    struct sim_options options;
    snprintf(text, sizeof text, "%.*s", (int)len, name);
    snprintf(whole, sizeof whole, "%s=%" PRIu64, text, value);
    if (sim_options_set(&options, whole) < 0)
        return false;
    sim_pins_set(&arguments->pins, text, value);
    return true;
}

static bool parse_pin(const char *text, struct arguments *arguments) {
    const char *equals = strchr(text, '=');
    uint64_t value;
    return equals != NULL && parse_number(equals + 1, &value) &&
           pin(arguments, text, (size_t)(equals - text), value);
}

static bool parse_without(const char *text, struct arguments *arguments) {
    char rate[SIM_PIN_SIZE];
    int len = snprintf(rate, sizeof rate, "%s_rate", text);
    return pin(arguments, text, strlen(text), 0) || pin(arguments, rate, (size_t)len, 0);
}

enum {
    SEED = 1,
    SEEDS,
    SEEDS_FILE,
    SECONDS,
    OPS,
    JOBS,
    SET,
    WITHOUT,
    VERBOSE,
    KEEP,
    SHRINK,
    REPORTS,
    EVIDENCE,
    LIST,
    INVARIANTS,
    SMALL,
    SMALL_WORLD
};

static bool take(int option, const char *text, struct arguments *arguments) {
    uint64_t number = 0;
    switch (option) {
    case SEED: return arguments->has_seed = parse_number(text, &arguments->seed);
    case SEEDS: return parse_range(text, arguments);
    case SEEDS_FILE: arguments->seeds_file = text; return true;
    case OPS: return parse_number(text, &arguments->operations);
    case SET: return parse_pin(text, arguments);
    case WITHOUT: return parse_without(text, arguments);
    case VERBOSE: return arguments->is_verbose = true;
    case KEEP: arguments->keep = text; return true;
    case SHRINK: return arguments->shrinks = true;
    case REPORTS: return arguments->reports = true;
    case EVIDENCE: arguments->evidence = text; return true;
    case LIST: return arguments->lists = true;
    case INVARIANTS: return arguments->lists_invariants = true;
    case SMALL: return parse_number(text, &arguments->small_depth) && arguments->small_depth > 0;
    case SMALL_WORLD: arguments->small_world = text; return true;
    case SECONDS:
        if (!parse_number(text, &number))
            return false;
        arguments->seconds = (int64_t)number;
        return true;
    case JOBS:
        if (!parse_number(text, &number))
            return false;
        arguments->jobs = (unsigned)number;
        return true;
    default: return false;
    }
}

static bool parse(int argc, char **argv, struct arguments *arguments) {
    static const struct option options[] = {
        {"seed",        required_argument, NULL, SEED       },
        {"seeds",       required_argument, NULL, SEEDS      },
        {"seeds-file",  required_argument, NULL, SEEDS_FILE },
        {"seconds",     required_argument, NULL, SECONDS    },
        {"ops",         required_argument, NULL, OPS        },
        {"jobs",        required_argument, NULL, JOBS       },
        {"set",         required_argument, NULL, SET        },
        {"without",     required_argument, NULL, WITHOUT    },
        {"verbose",     no_argument,       NULL, VERBOSE    },
        {"keep",        required_argument, NULL, KEEP       },
        {"shrink",      no_argument,       NULL, SHRINK     },
        {"reports",     no_argument,       NULL, REPORTS    },
        {"evidence",    required_argument, NULL, EVIDENCE   },
        {"options",     no_argument,       NULL, LIST       },
        {"invariants",  no_argument,       NULL, INVARIANTS },
        {"small",       required_argument, NULL, SMALL      },
        {"small-world", required_argument, NULL, SMALL_WORLD},
        {NULL,          0,                 NULL, 0          },
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!take(option, optarg, arguments))
            return false;
    return optind == argc;
}

static bool draw_seeds(struct arguments *arguments) {
    if (getrandom(&arguments->first, sizeof arguments->first, 0) != sizeof arguments->first)
        return false;
    arguments->first >>= 16; // short enough to be told
    arguments->last = UINT64_MAX;
    return true;
}

int main(int argc, char **argv) {
    static struct arguments arguments = {.operations = OPERATIONS, .jobs = 1};
    if (!parse(argc, argv, &arguments)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (arguments.lists_invariants)
        return list_invariants();
    if (arguments.lists)
        return list_options(&arguments);
    if (arguments.small_depth > 0 || arguments.small_world != NULL)
        return run_small(&arguments);
    if (arguments.has_seed)
        return run_one(&arguments);
    if (arguments.seeds_file != NULL)
        return run_file(&arguments);
    if (!arguments.has_range && !draw_seeds(&arguments))
        return EXIT_USAGE;
    return run_many(&arguments);
}
