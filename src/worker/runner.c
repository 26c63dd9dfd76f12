// SPDX-License-Identifier: Apache-2.0
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
#include <sys/timerfd.h>
#include <unistd.h>
#include <xxhash.h>

enum { SETUP_WAIT_MS = 10000, CLOSE_WAIT_MS = 2000, POLL_EVERY_US = 500 };

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
    return error < 0 ? error : open_link(runner);
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
        snprintf(errstr, errstr_size, "%s", runner->error);
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
            {at, names[i].len},
            -1
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
    return fq_control_send(runner->control_fd, FQ_CONTROL_READY, FQ_VERSION, sizeof FQ_VERSION - 1);
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

// --- the loop --------------------------------------------------------------------------------------------------------

static void take_events(fq_runner *runner, int64_t now_us) {
    struct fq_session_event event;
    while (fq_session_next_event(runner->link.session, &event) == 1) {
        if (event.type != FQ_SESSION_REPLY)
            continue;
        switch ((enum fq_runner_tag)(event.tag & 0xff)) {
        case FQ_TAG_FETCH: fq_runner_on_tasks(runner, &event, now_us); break;
        case FQ_TAG_REPORT:
        case FQ_TAG_RELEASE: fq_runner_on_answer(runner, &event); break;
        case FQ_TAG_DECLINE: break;
        }
    }
}

static void read_control(fq_runner *runner) {
    char packet[FQ_CONTROL_MAX + 1], type;
    size_t len;
    int got;
    while ((got = fq_control_receive(runner->control_fd, &type, packet, &len)) == 1)
        continue;
    if (got < 0)
        runner->orphaned = runner->leaving = true;
}

static void arm_timer(fq_runner *runner, int64_t now_us) {
    int64_t wanted = fq_link_deadline(&runner->link);
    if (runner->fetch_after_us > now_us && runner->fetch_after_us < wanted)
        wanted = runner->fetch_after_us;
    // A timer that fires early does no harm, one system call a turn would.
    if (runner->timer_us > now_us && runner->timer_us <= wanted)
        return;
    if (wanted == FQ_NEVER_US)
        return;
    runner->timer_us = wanted > now_us ? wanted : now_us + 1;
    struct itimerspec when = {
        .it_value = {.tv_sec = runner->timer_us / FQ_US_PER_S,
                     .tv_nsec = (long)(runner->timer_us % FQ_US_PER_S) * 1000}
    };
    (void)timerfd_settime(runner->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void read_timer(fq_runner *runner) {
    uint64_t times;
    if (read(runner->timer_fd, &times, sizeof times) > 0)
        runner->timer_us = FQ_NEVER_US;
}

// One turn with the descriptors in `ready`.
static void turn(fq_runner *runner, const struct epoll_event *ready, int count, uint32_t want) {
    int64_t now_us = fq_runner_now_us();
    bool is_due = now_us >= fq_link_deadline(&runner->link);
    for (int i = 0; i < count; i++) {
        if (ready[i].data.fd == runner->control_fd)
            read_control(runner);
        else if (ready[i].data.fd == runner->timer_fd)
            read_timer(runner);
        else
            is_due = true;
    }
    fq_board_set(&runner->board, FQ_BOARD_TURNS, fq_board_get(&runner->board, FQ_BOARD_TURNS) + 1);
    if ((fq_board_get(&runner->board, FQ_BOARD_ORDERS) & FQ_ORDER_LEAVE) != 0)
        runner->leaving = true;
    if (is_due)
        fq_link_step(&runner->link, now_us);
    take_events(runner, now_us);
    if (runner->leaving)
        fq_runner_release_held(runner);
    if (runner->done.len > 0)
        fq_runner_report_done(runner, now_us);
    fq_runner_fetch(runner, want, now_us);
    fq_link_write(&runner->link, now_us);
    arm_timer(runner, now_us);
}

int fq_runner_poll(fq_runner *runner, uint32_t want) {
    if (fq_runner_is_forked(runner))
        return FQ_ECLOSED;
    int64_t now_us = fq_runner_now_us();
    bool must_leave =
        !runner->leaving && (fq_board_get(&runner->board, FQ_BOARD_ORDERS) & FQ_ORDER_LEAVE) != 0;
    if (runner->held.len > 0 && !must_leave && now_us - runner->polled_us < POLL_EVERY_US)
        return 0;
    runner->polled_us = now_us;
    struct epoll_event ready[4];
    int count = epoll_wait(runner->epoll_fd, ready, 4, 0);
    turn(runner, ready, count > 0 ? count : 0, want);
    return 0;
}

int fq_runner_wait(fq_runner *runner, uint32_t want, int64_t wait_ms) {
    int error = fq_runner_poll(runner, want);
    if (error < 0)
        return error;
    int64_t until = wait_ms < 0 ? FQ_NEVER_US : fq_time_add(fq_runner_now_us(), wait_ms * FQ_US_PER_MS);
    while (runner->held.len == 0 && !fq_runner_should_exit(runner)) {
        int64_t left = until == FQ_NEVER_US ? -1 : (until - fq_runner_now_us() + 999) / FQ_US_PER_MS;
        if (until != FQ_NEVER_US && left <= 0)
            return 0;
        struct epoll_event ready[4];
        int count = epoll_wait(runner->epoll_fd, ready, 4, left > 60000 ? 60000 : (int)left);
        if (count < 0 && errno == EINTR)
            return 0;
        turn(runner, ready, count > 0 ? count : 0, want);
    }
    return 0;
}

void fq_runner_settle(fq_runner *runner, int64_t wait_ms) {
    if (!runner->fetching || fq_runner_is_forked(runner))
        return;
    // Any command behind it ends a blocked fetch.
    fq_slice ping = {"PING", 4};
    if (fq_session_command(runner->link.session, &ping, 1, false, fq_runner_tag(FQ_TAG_DECLINE, 0, 0)) < 0)
        return;
    int64_t now_us = fq_runner_now_us(), until = fq_time_add(now_us, wait_ms * FQ_US_PER_MS);
    fq_link_write(&runner->link, now_us);
    while (runner->fetching && now_us < until && !runner->orphaned) {
        struct epoll_event ready[4];
        int count = epoll_wait(runner->epoll_fd, ready, 4, (int)((until - now_us) / FQ_US_PER_MS) + 1);
        turn(runner, ready, count > 0 ? count : 0, 0);
        now_us = fq_runner_now_us();
    }
}

int fq_runner_next(fq_runner *runner, struct fq_runner_task *ret_task) {
    while (runner->held.len > 0) {
        uint32_t index = fq_runner_queue_pop(&runner->held);
        if (fq_slot_state(&runner->board, index) == FQ_SLOT_HELD) {
            *ret_task = runner->slots[index].task;
            return 1;
        }
        fq_runner_slot_lost(runner, index);
    }
    return 0;
}

void fq_runner_flush(fq_runner *runner, int64_t wait_ms) {
    if (fq_runner_is_forked(runner))
        return;
    int64_t now_us = fq_runner_now_us();
    int64_t until = fq_time_add(now_us, wait_ms * FQ_US_PER_MS);
    fq_runner_report_done(runner, now_us);
    fq_link_write(&runner->link, now_us);
    while ((runner->sent_count > 0 || !fq_link_is_flushed(&runner->link)) && now_us < until &&
           !runner->orphaned) {
        struct epoll_event ready[4];
        int count = epoll_wait(runner->epoll_fd, ready, 4, (int)((until - now_us) / FQ_US_PER_MS) + 1);
        turn(runner, ready, count > 0 ? count : 0, 0);
        now_us = fq_runner_now_us();
    }
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
        .should_share = (fq_board_get(&runner->board, FQ_BOARD_ORDERS) & FQ_ORDER_FILTER) != 0,
    };
}

void fq_runner_on_cpu(fq_runner *runner, uint32_t slot) {
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
