// SPDX-License-Identifier: Apache-2.0
// Cuts and flips a small journal at every byte of every file.
//
//   sweep_damage [--stride N] [--evidence FILE]        FQ_DAMAGE_STRIDE is the same as --stride
//
// Exit code 1 if a single case was wrong: something acknowledged and proven was lost without a refusal, something was read
// that was never written, a refusal named no place or no remedy, or a verification judged differently than a boot.
#include "support/damage.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_row(json_t *rows, const char *name, uint64_t value, const char *expected, bool ok) {
    json_array_append_new(rows,
                          json_pack("{s:s, s:I, s:s, s:s, s:b}", "name", name, "value", (json_int_t)value,
                                    "unit", "cases", "expected", expected, "ok", ok));
}

static void report(json_t *rows, const char *title, const struct damage_figures *figures) {
    char name[96];
    const struct {
        const char *what;
        uint64_t value;
    } counts[] = {
        {"damaged bytes and cuts",                         figures->cases   },
        {"everything restored",                            figures->restored},
        {"refused with place and remedy",                  figures->refused },
        {"unproven last batch cut off and told",           figures->cut     },
        {"lost, invented, crashed, or judged differently", figures->wrong   },
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        bool must_be_zero = i == 4 || (i == 3 && strcmp(title, "idle journal") == 0);
        snprintf(name, sizeof name, "%s: %s", title, counts[i].what);
        add_row(rows, name, counts[i].value, must_be_zero ? "0" : "", !must_be_zero || counts[i].value == 0);
    }
    printf("%s: %" PRIu64 " cases, %" PRIu64 " restored, %" PRIu64 " refused, %" PRIu64
           " last batch cut, %" PRIu64 " wrong\n",
           title, figures->cases, figures->restored, figures->refused, figures->cut, figures->wrong);
    if (figures->wrong > 0)
        printf("  first wrong: %s\n", figures->first_wrong);
}

static int run(uint64_t stride, const char *evidence) {
    json_t *rows = json_array();
    bool ok = true;
    for (int idle = 1; idle >= 0; idle--) {
        struct damage_subject subject;
        struct damage_figures figures = {0};
        damage_subject_make(&subject, 1, idle != 0);
        damage_sweep(&subject, stride, 0, &figures);
        damage_subject_done(&subject);
        report(rows, idle != 0 ? "idle journal" : "busy journal", &figures);
        ok = ok && figures.wrong == 0 && (idle == 0 || figures.cut == 0);
    }
    const char *commit = getenv("FQ_COMMIT");
    json_t *document =
        json_pack("{s:s, s:s, s:o}", "suite", "damage", "commit", commit != NULL ? commit : "", "rows", rows);
    if (evidence != NULL && json_dump_file(document, evidence, JSON_INDENT(1)) != 0) {
        fprintf(stderr, "sweep_damage: %s cannot be written\n", evidence);
        ok = false;
    }
    json_decref(document);
    return ok ? 0 : 1;
}

int main(int argc, char **argv) {
    const char *given = getenv("FQ_DAMAGE_STRIDE"), *evidence = NULL;
    uint64_t stride = given != NULL ? strtoull(given, NULL, 10) : 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--stride") == 0)
            stride = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--evidence") == 0)
            evidence = argv[i + 1];
    }
    return run(stride > 0 ? stride : 1, evidence);
}
