// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "fastqueue/version.h"
#include "net/clock.h"
#include "worker/runner_state.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <xxhash.h>

enum { SETUP_WAIT_MS = 10000, CLOSE_WAIT_MS = 2000 };

// A page that the kernel gives to a forked child as zeroes: the child knows itself without a system call.
static uint64_t *new_fork_mark(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    uint64_t *mark = page;
    if (madvise(page, 4096, MADV_WIPEONFORK) != 0) {
        munmap(page, 4096);
        return NULL;
    }
    *mark = 1;
    return mark;
}

bool fq_runner_is_forked(const fq_runner *runner) {
    return runner->forked || __atomic_load_n(runner->fork_mark, __ATOMIC_RELAXED) == 0;
}

int64_t fq_runner_now_us(void) {
    return fq_clock_now().boot_us;
}

void fq_runner_queue_push(struct fq_runner_queue *queue, uint32_t slot) {
    queue->slots[(queue->begin + queue->len++) % FQ_BOARD_SLOTS] = (uint16_t)slot;
}

uint32_t fq_runner_queue_pop(struct fq_runner_queue *queue) {
    uint32_t slot = queue->slots[queue->begin];
    queue->begin = (queue->begin + 1) % FQ_BOARD_SLOTS;
    queue->len--;
    return slot;
}

void fq_runner_slot_free(fq_runner *runner, uint32_t slot) {
    fq_slot_free(&runner->board, slot);
    runner->free_slots[runner->free_count++] = (uint16_t)slot;
}

void fq_runner_slot_lost(fq_runner *runner, uint32_t slot) {
    runner->taken--;
    fq_runner_slot_free(runner, slot);
}

// --- opening and closing ---------------------------------------------------------------------------------------------

// "board,control,parent" from the environment, which is then cleaned of it.
static int read_descriptors(fq_runner *runner, int *ret_board_fd) {
    const char *text = getenv("FASTQUEUE_RUNNER_FDS");
    int board = -1, control = -1, parent = -1;
    char rest;
    if (text == NULL || sscanf(text, "%d,%d,%d%c", &board, &control, &parent, &rest) != 3 || board < 0 ||
        control < 0) {
        snprintf(runner->error, sizeof runner->error,
                 "a runner is started by `fastqueue subworker`, not by hand (FASTQUEUE_RUNNER_FDS is %s)",
                 text == NULL ? "not set" : "malformed");
        return FQ_EINVALID;
    }
    unsetenv("FASTQUEUE_RUNNER_FDS");
    *ret_board_fd = board;
    runner->control_fd = control;
    runner->parent = parent;
    struct stat known;
    if (fstat(control, &known) == 0 && S_ISSOCK(known.st_mode))
        runner->control_inode = known.st_ino;
    // Asked for again behind exec: the bit does not survive a change of credentials by the program executed.
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        snprintf(runner->error, sizeof runner->error, "the supervisor is gone");
        return FQ_EDISCONNECTED;
    }
    return 0;
}

static int receive_setup(fq_runner *runner) {
    struct pollfd wait = {.fd = runner->control_fd, .events = POLLIN};
    char *packet = malloc(FQ_CONTROL_MAX + 1);
    if (packet == NULL)
        return FQ_ENOMEM;
    char type = 0;
    size_t len = 0;
    int got = 0;
    if (poll(&wait, 1, SETUP_WAIT_MS) > 0)
        got = fq_control_receive(runner->control_fd, &type, packet, &len);
    int error = FQ_EPROTOCOL;
    if (got == 1 && type == FQ_CONTROL_SETUP)
        error = fq_runner_setup_decode(packet, len, &runner->setup);
    explicit_bzero(packet, FQ_CONTROL_MAX);
    free(packet);
    if (error < 0)
        snprintf(runner->error, sizeof runner->error, "the supervisor sent no setup");
    return error;
}

static int add_to_epoll(const fq_runner *runner, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(runner->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : FQ_EIO;
}

static const char *given(const char *text) {
    return text[0] != '\0' ? text : NULL;
}

static int open_link(fq_runner *runner) {
    runner->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    runner->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (runner->epoll_fd < 0 || runner->timer_fd < 0 || add_to_epoll(runner, runner->control_fd) < 0 ||
        add_to_epoll(runner, runner->timer_fd) < 0) {
        snprintf(runner->error, sizeof runner->error, "epoll: %s", strerror(errno));
        return FQ_EIO;
    }
    const struct fq_runner_setup *setup = &runner->setup;
    char name[96];
    snprintf(name, sizeof name, "runner-%d", (int)getpid());
    struct fq_link_options options = {
        .target = {.address = given(setup->address),
                   .user = given(setup->user),
                   .token = given(setup->token),
                   .tls_ca = given(setup->tls_ca),
                   .tls_cert = given(setup->tls_cert),
                   .tls_key = given(setup->tls_key)},
        .client_name = name,
        .seed = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)fq_runner_now_us(),
        .epoll_fd = runner->epoll_fd
    };
    int error = fq_link_open(&runner->link, &options);
    if (error < 0)
        snprintf(runner->error, sizeof runner->error, "%s", runner->link.error);
    return error;
}

static int check_version(fq_runner *runner) {
    if (strcmp(runner->setup.version, FQ_VERSION) == 0)
        return 0;
    char text[256];
    snprintf(text, sizeof text,
             "the runner is FastQueue %s, its supervisor %s: install the same version of both (or choose the "
             "interpreter with --python)",
             FQ_VERSION, runner->setup.version);
    fq_runner_declare_failed(runner, text);
    snprintf(runner->error, sizeof runner->error, "%s", text);
    return FQ_EVERSION;
}

static int open_all(fq_runner *runner) {
    int board_fd = -1;
    int error = read_descriptors(runner, &board_fd);
    if (error < 0)
        return error;
    error = fq_board_attach(board_fd, &runner->board);
    if (error < 0) {
        snprintf(runner->error, sizeof runner->error, "memory board: %s", fq_strerror(error));
        return error;
    }
    error = receive_setup(runner);
    if (error < 0)
        return error;
    error = check_version(runner);
    if (error == 0)
        error = open_link(runner);
    if (error == 0 && runner->setup.telemetry)
        runner->telemetry = fq_runner_telemetry_new(runner);
    return error;
}

int fq_runner_open(fq_runner **ret_runner, char *errstr, size_t errstr_size) {
    fq_runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) {
        snprintf(errstr, errstr_size, "out of memory");
        return FQ_ENOMEM;
    }
    runner->control_fd = runner->epoll_fd = runner->timer_fd = runner->board.fd = runner->link.fd = -1;
    runner->fork_mark = new_fork_mark();
    if (runner->fork_mark == NULL) {
        free(runner);
        snprintf(errstr, errstr_size, "out of memory");
        return FQ_ENOMEM;
    }
    runner->timer_us = FQ_NEVER_US;
    runner->average_us = -1;
    runner->ramp = 1;
    for (uint32_t i = FQ_BOARD_SLOTS; i > 0; i--)
        runner->free_slots[runner->free_count++] = (uint16_t)(i - 1);
    int error = open_all(runner);
    if (error < 0) {
        snprintf(errstr, errstr_size, "%s", runner->error[0] != '\0' ? runner->error : fq_strerror(error));
        fq_runner_close(runner);
        return error;
    }
    runner->error[0] = '\0';
    *ret_runner = runner;
    return 0;
}

static void close_fd(int fd) {
    if (fd >= 0)
        close(fd);
}

fq_runner *fq_runner_close(fq_runner *runner) {
    if (runner == NULL)
        return NULL;
    if (!fq_runner_is_forked(runner) && runner->link.session != NULL && runner->board.base != NULL) {
        runner->leaving = true;
        fq_runner_release_held(runner);
        fq_runner_flush(runner, CLOSE_WAIT_MS);
    }
    if (!fq_runner_is_forked(runner))
        runner->telemetry = fq_runner_telemetry_free(runner->telemetry);
    if (runner->link.session != NULL)
        fq_link_close(&runner->link);
    fq_board_close(&runner->board);
    close_fd(runner->control_fd);
    close_fd(runner->epoll_fd);
    close_fd(runner->timer_fd);
    for (uint32_t i = 0; i < FQ_BOARD_SLOTS; i++)
        free(runner->slots[i].text);
    fq_runner_setup_done(&runner->setup);
    munmap(runner->fork_mark, 4096);
    free(runner->names);
    free(runner->name_text);
    free(runner->name_table);
    free(runner);
    return NULL;
}

void fq_runner_forked(fq_runner *runner) {
    runner->forked = true;
    fq_link_forget(&runner->link);
    close_fd(runner->control_fd);
    close_fd(runner->epoll_fd);
    close_fd(runner->timer_fd);
    runner->control_fd = runner->epoll_fd = runner->timer_fd = -1;
}

// --- names -----------------------------------------------------------------------------------------------------------

static size_t place_of(const fq_runner *runner, fq_str name) {
    size_t at = (size_t)XXH3_64bits(name.ptr, name.len) & (runner->name_table_size - 1);
    while (runner->name_table[at] != 0 && !fq_str_equal(runner->names[runner->name_table[at] - 1].text, name))
        at = (at + 1) & (runner->name_table_size - 1);
    return at;
}

int64_t fq_runner_name_index(const fq_runner *runner, fq_str name) {
    if (runner->name_table_size == 0)
        return FQ_EUNKNOWNTASK;
    uint32_t entry = runner->name_table[place_of(runner, name)];
    return entry == 0 ? FQ_EUNKNOWNTASK : (int64_t)entry - 1;
}

int fq_runner_index_names(fq_runner *runner, const fq_str *names, size_t count) {
    size_t bytes = 0, size = 16;
    for (size_t i = 0; i < count; i++)
        bytes += names[i].len;
    while (size < count * 2)
        size *= 2;
    runner->names = calloc(count + 1, sizeof *runner->names);
    runner->name_text = malloc(bytes + 1);
    runner->name_table = calloc(size, sizeof *runner->name_table);
    if (runner->names == NULL || runner->name_text == NULL || runner->name_table == NULL)
        return FQ_ENOMEM;
    runner->name_table_size = size;
    char *at = runner->name_text;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, names[i].ptr, names[i].len);
        runner->names[i] = (struct fq_runner_name){
            .text = {at, names[i].len},
              .average_us = -1
        };
        at += names[i].len;
        size_t place = place_of(runner, runner->names[i].text);
        if (runner->name_table[place] == 0)
            runner->name_table[place] = (uint32_t)i + 1;
    }
    runner->name_count = count;
    return 0;
}

int fq_runner_declare(fq_runner *runner, const fq_str *names, size_t count) {
    int error = fq_board_write_names(&runner->board, names, count);
    if (error == 0)
        error = fq_runner_index_names(runner, names, count);
    if (error < 0) {
        snprintf(runner->error, sizeof runner->error, "task names: %s", fq_strerror(error));
        return error;
    }
    if (runner->telemetry != NULL)
        fq_runner_telemetry_names(runner->telemetry);
    return fq_control_send(runner->control_fd, FQ_CONTROL_READY, FQ_VERSION, sizeof FQ_VERSION - 1);
}

static int64_t at_most(int64_t value, int64_t most) {
    return value < 0 ? 0 : value > most ? most : value;
}

void fq_runner_set_defaults(fq_runner *runner, uint32_t index, const struct fq_runner_defaults *defaults) {
    FQ_ASSERT(index < runner->name_count);
    runner->names[index].defaults = (struct fq_runner_defaults){
        .retries = (uint32_t)at_most(defaults->retries, FQ_DECLARED_RETRIES_MAX),
        .backoff_ms = at_most(defaults->backoff_ms, FQ_DECLARED_BACKOFF_MAX_MS),
        .timeout_ms = at_most(defaults->timeout_ms, INT64_MAX / FQ_US_PER_S),
    };
}

void fq_runner_declare_failed(fq_runner *runner, const char *message) {
    size_t len = strlen(message);
    // The end of a traceback says more than its beginning.
    const size_t most = FQ_CONTROL_MAX / 2;
    if (len > most) {
        message += len - most;
        len = most;
    }
    (void)fq_control_send(runner->control_fd, FQ_CONTROL_FAILED, message, len);
}

// --- small questions -------------------------------------------------------------------------------------------------

int fq_runner_fd(const fq_runner *runner) {
    return runner->epoll_fd;
}

struct fq_runner_config fq_runner_config(const fq_runner *runner) {
    int64_t coroutines = runner->setup.async_concurrency;
    return (struct fq_runner_config){
        .worker_id = runner->setup.worker_id,
        .async_concurrency = coroutines > 0 && coroutines < FQ_BOARD_SLOTS / 2 ? (uint32_t)coroutines
                             : coroutines > 0                                  ? FQ_BOARD_SLOTS / 2
                                                                               : 1,
        .allow_pickle = runner->setup.allow_pickle,
        .logs = runner->telemetry != NULL && runner->telemetry->logs,
        .should_share = (fq_board_get(&runner->board, FQ_BOARD_ORDERS) & FQ_ORDER_FILTER) != 0,
    };
}

void fq_runner_on_cpu(fq_runner *runner, uint32_t slot) {
    // What it printed until here is its own, whenever it is read.
    if (slot == FQ_RUNNER_NO_SLOT && runner->telemetry != NULL)
        fq_output_mark_on_cpu(runner->telemetry);
    fq_board_set(&runner->board, FQ_BOARD_ON_CPU, slot == FQ_RUNNER_NO_SLOT ? 0 : (uint64_t)slot + 1);
}

enum fq_runner_wish fq_runner_wish(const fq_runner *runner, uint32_t slot) {
    uint8_t wish = fq_slot_wish(&runner->board, slot);
    return wish <= FQ_WISH_TIMEOUT ? (enum fq_runner_wish)wish : FQ_WISH_NONE;
}

bool fq_runner_should_exit(const fq_runner *runner) {
    if (runner->orphaned || fq_runner_is_forked(runner))
        return true;
    bool is_idle = runner->held.len == 0 && runner->running_count == 0;
    bool is_spent = runner->setup.max_tasks > 0 && runner->taken >= (uint64_t)runner->setup.max_tasks;
    return is_idle && (runner->leaving || is_spent);
}

const char *fq_runner_error(const fq_runner *runner) {
    return runner->error[0] != '\0' ? runner->error : runner->link.error;
}

const struct fq_board *fq_runner_board(const fq_runner *runner) {
    return &runner->board;
}
