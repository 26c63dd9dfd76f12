// SPDX-License-Identifier: Apache-2.0
// `fastqueue top`: the live screen.
#include "cli/connection.h"
#include "cli/output.h"
#include "cli/top_view.h"
#include "net/address.h"
#include "net/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { LIVE_TIMEOUT_MS = 1500 }; // a screen that waits longer looks dead

// Without the credentials that it may carry.
static void format_address(const struct fq_options *options, char text[FQ_ADDRESS_TEXT]) {
    struct fq_address address;
    const char *reason;
    text[0] = '\0';
    if (fq_address_parse(fq_str_of(fq_option_text(options, FQ_OPTION_CONTROL_PLANE_ADDRESS)), &address,
                         &reason) == 0)
        fq_address_format(&address, text);
}

struct screen {
    struct termios saved;
    int signals; // descriptor that reads SIGINT, SIGTERM, SIGWINCH
    int lines, columns;
};

static void measure(struct screen *screen) {
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;
    screen->lines = known ? size.ws_row : 24;
    screen->columns = known ? size.ws_col : 80;
}

static bool open_screen(struct screen *screen) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGWINCH);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || tcgetattr(STDIN_FILENO, &screen->saved) < 0)
        return false;
    screen->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    struct termios raw = screen->saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs("\033[?1049h\033[?25l", stdout); // the other screen, no cursor
    measure(screen);
    return screen->signals >= 0;
}

static void close_screen(struct screen *screen) {
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &screen->saved);
    close(screen->signals);
}

// Prints a line cut at the screen's width; escape sequences take no width.
static void print_cut(const char *line, size_t len, int columns) {
    int column = 0;
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\033') {
            while (i < len && line[i] != 'm')
                fputc(line[i++], stdout);
            fputc('m', stdout);
            continue;
        }
        column += ((unsigned char)line[i] & 0xc0) != 0x80;
        if (column <= columns)
            fputc(line[i], stdout);
    }
}

static void show(const struct screen *screen, const char *picture) {
    fputs("\033[H", stdout);
    int line = 0;
    for (const char *at = picture; *at != '\0' && line < screen->lines; line++) {
        size_t len = strcspn(at, "\n");
        print_cut(at, len, screen->columns);
        fputs("\033[0m\033[K", stdout);
        if (line + 1 < screen->lines)
            fputc('\n', stdout);
        at += len + (at[len] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

enum wish { WISH_NONE, WISH_QUIT, WISH_PAUSE, WISH_REFRESH };

static enum wish read_signals(struct screen *screen) {
    struct signalfd_siginfo info;
    enum wish wish = WISH_NONE;
    while (read(screen->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGWINCH)
            return WISH_QUIT;
        measure(screen);
        wish = WISH_REFRESH;
    }
    return wish;
}

static enum wish read_key(void) {
    char key;
    if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 3)
        return WISH_QUIT;
    return key == 'p' ? WISH_PAUSE : key == ' ' ? WISH_REFRESH : WISH_NONE;
}

// Waits for a key, a signal or the time. NONE: the time is over.
static enum wish wait_for_wish(struct screen *screen, int64_t until_us) {
    for (;;) {
        int64_t left_us = until_us - fq_clock_now().boot_us;
        if (left_us <= 0)
            return WISH_NONE;
        struct pollfd descriptors[] = {
            {.fd = STDIN_FILENO,    .events = POLLIN},
            {.fd = screen->signals, .events = POLLIN}
        };
        if (poll(descriptors, 2, (int)(left_us / 1000) + 1) < 0)
            continue;
        enum wish wish = WISH_NONE;
        if (descriptors[1].revents != 0)
            wish = read_signals(screen);
        if (wish == WISH_NONE && descriptors[0].revents != 0)
            wish = read_key();
        if (wish != WISH_NONE)
            return wish;
    }
}

static char *draw(struct fq_top_view *view, const struct fq_top_sample *now,
                  const struct fq_top_sample *before, const char *trouble) {
    char *picture = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&picture, &size);
    if (memory == NULL)
        return NULL;
    if (trouble != NULL)
        fprintf(memory, "%s\n", trouble);
    if (now != NULL)
        fq_top_view_draw(memory, view, now, before);
    fclose(memory);
    return picture;
}

// Draws until the user quits. The two samples are now and before, in turns.
static int run_live(fq_client *client, const struct fq_options *options, struct fq_top_sample samples[2]) {
    struct screen screen;
    if (!open_screen(&screen)) {
        fprintf(stderr, "fastqueue top: the terminal cannot be set up: %m\n");
        return FQ_EXIT_INTERNAL;
    }
    char address[FQ_ADDRESS_TEXT];
    format_address(options, address);
    struct fq_top_view view = {.address = address, .coloured = fq_output_is_coloured(stdout)};
    int64_t interval_us = fq_option_number(options, FQ_OPTION_INTERVAL) * 1000;
    int next = 0;       // the sample to take now; the other one is the last that was taken
    unsigned taken = 0; // counts to 2
    bool paused = false;
    for (enum wish wish = WISH_NONE; wish != WISH_QUIT;) {
        view.lines = screen.lines;
        struct fq_now now = fq_clock_now();
        int result = paused ? 0 : fq_top_sample_take(client, now, &samples[next]);
        if (result == 0 && !paused) {
            next = !next;
            taken += taken < 2;
        } else if (result < 0 && taken > 1)
            taken = 1; // the older sample was overwritten
        char *picture = draw(&view, result == 0 ? &samples[!next] : NULL, taken == 2 ? &samples[next] : NULL,
                             result < 0 ? fq_client_error(client) : NULL);
        if (picture != NULL)
            show(&screen, picture);
        free(picture);
        wish = wait_for_wish(&screen, now.boot_us + interval_us);
        if (wish == WISH_PAUSE)
            paused = !paused;
    }
    close_screen(&screen);
    return FQ_EXIT_OK;
}

static json_t *percentiles_json(const struct fq_top_percentiles *percentiles) {
    return percentiles->known
               ? json_pack("{s:I, s:I, s:I}", "p50", (json_int_t)percentiles->p50_us, "p95",
                           (json_int_t)percentiles->p95_us, "p99", (json_int_t)percentiles->p99_us)
               : json_null();
}

static void print_sample_json(const struct fq_top_sample *sample) {
    json_t *object = json_pack(
        "{s:I, s:{s:I, s:I, s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:I}", "at",
        (json_int_t)(sample->at.wall_us / 1000), "pending", "critical", (json_int_t)sample->pending[0],
        "high", (json_int_t)sample->pending[1], "normal", (json_int_t)sample->pending[2], "low",
        (json_int_t)sample->pending[3], "scheduled", (json_int_t)sample->scheduled, "started",
        (json_int_t)sample->started, "dead", (json_int_t)sample->dead, "submitted_total",
        (json_int_t)sample->submitted_total, "completed_total", (json_int_t)sample->completed_total,
        "failed_total", (json_int_t)sample->failed_total, "durability", sample->durability, "names",
        (json_int_t)sample->name_count, "workers", (json_int_t)sample->worker_count);
    json_object_set_new(object, "wait_us", percentiles_json(&sample->wait));
    json_object_set_new(object, "run_us", percentiles_json(&sample->run));
    fq_output_json_line(object);
}

static int run_once(fq_client *client, const struct fq_options *options, struct fq_top_sample *sample) {
    int result = fq_top_sample_take(client, fq_clock_now(), sample);
    if (result < 0)
        return fq_connection_fail(client, result);
    char address[FQ_ADDRESS_TEXT];
    format_address(options, address);
    struct fq_top_view view = {.address = address};
    if (fq_option_number(options, FQ_OPTION_JSON))
        print_sample_json(sample);
    else
        fq_top_view_draw(stdout, &view, sample, NULL);
    return FQ_EXIT_OK;
}

int fq_verb_top(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    struct fq_top_sample *samples = calloc(2, sizeof *samples);
    if (samples == NULL)
        return FQ_EXIT_INTERNAL;
    bool live = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !fq_option_number(options, FQ_OPTION_ONCE) &&
                !fq_option_number(options, FQ_OPTION_JSON);
    int64_t timeout_ms = fq_option_number(options, FQ_OPTION_REQUEST_TIMEOUT);
    if (live && timeout_ms > LIVE_TIMEOUT_MS)
        timeout_ms = LIVE_TIMEOUT_MS;
    fq_client *client;
    int code = fq_connection_open_within(options, timeout_ms, &client);
    if (code == 0) {
        code = live ? run_live(client, options, samples) : run_once(client, options, samples);
        fq_client_close(client);
    }
    free(samples);
    return code;
}
