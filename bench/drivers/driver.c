// SPDX-License-Identifier: Apache-2.0
// The verbs of a driver:
//
//   submit    COUNT tasks, BATCH in flight in two halves, each half in the queue's best form
//   work      take BATCH tasks at a time, do nothing, acknowledge them, until COUNT are finished
//   cycle     both side by side in two processes; the time from the first submission to the last acknowledgement
//   latency   submit one, a worker in a process of its own answers, the result is known; COUNT times
//   call      the submitter's side of that alone
//   pace      COUNT tasks at RATE a second, in ticks of 2 ms, whatever is done with them
//   ack       CONNECTIONS submitters, each with one task unacknowledged
//
// Prints one line of JSON.
#include "driver.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

char *payload_new(size_t bytes) {
    static const char head[] = "{\"args\":[\"", tail[] = "\"],\"kwargs\":{}}";
    if (bytes < sizeof head - 1 + PAYLOAD_DIGITS + sizeof tail - 1)
        die("a payload has at least %zu bytes", sizeof head - 1 + PAYLOAD_DIGITS + sizeof tail - 1);
    char *payload = malloc(bytes + 1);
    if (payload == NULL)
        die("memory");
    memset(payload, 'x', bytes);
    memcpy(payload, head, sizeof head - 1);
    memcpy(payload + bytes - (sizeof tail - 1), tail, sizeof tail);
    payload_number(payload, 0);
    return payload;
}

void payload_number(char *payload, long number) {
    for (int i = PAYLOAD_DIGITS - 1; i >= 0; i--, number /= 10)
        payload[PAYLOAD_NUMBER + i] = (char)('0' + number % 10);
}

static double cpu_s(int who) {
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// `taken` counts what a worker has taken, in shared memory; NULL: nobody works.
static void submit_all(const struct queue *queue, const struct setup *setup, const atomic_long *taken) {
    void *self = queue->open(setup, false);
    long half = setup->batch < 2 ? 1 : setup->batch / 2, older = 0;
    long window = setup->window > 4 * setup->batch ? setup->window : 4 * setup->batch;
    for (long sent = 0; sent < setup->count;) {
        while (taken != NULL && setup->window > 0 && sent - atomic_load(taken) > window)
            usleep(50);
        long n = setup->count - sent < half ? setup->count - sent : half;
        long newer = queue->submit(self, sent, n);
        queue->confirm(self, setup->batch < 2 ? newer : older);
        older = setup->batch < 2 ? 0 : newer;
        sent += n;
    }
    queue->confirm(self, older);
    queue->close(self);
}

static void work_all(const struct queue *queue, const struct setup *setup, atomic_long *told) {
    void *self = queue->open(setup, true);
    for (long taken = 0; taken < setup->count;) {
        long left = setup->count - taken;
        taken += queue->work(self, left < setup->batch ? left : setup->batch);
        if (told != NULL)
            atomic_store(told, taken);
    }
    queue->settle(self);
    queue->close(self);
}

static void run_submit(const struct queue *queue, const struct setup *setup) {
    double start = now_s();
    submit_all(queue, setup, NULL);
    double seconds = now_s() - start;
    printf("\"seconds\":%.4f,\"rate\":%.1f,\"client_cpu_us\":%.3f", seconds, (double)setup->count / seconds,
           cpu_s(RUSAGE_SELF) / (double)setup->count * 1e6);
}

static void run_work(const struct queue *queue, const struct setup *setup) {
    double start = now_s();
    work_all(queue, setup, NULL);
    double seconds = now_s() - start;
    printf("\"seconds\":%.4f,\"rate\":%.1f,\"worker_cpu_us\":%.3f", seconds, (double)setup->count / seconds,
           cpu_s(RUSAGE_SELF) / (double)setup->count * 1e6);
}

static void child_ended(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    if (info->si_code != CLD_EXITED || info->si_status != 0)
        _exit(1); // it has said why; the other one must not wait for it
}

// A process that ends with its parent, and whose failure ends its parent.
static pid_t split(void) {
    struct sigaction action = {.sa_sigaction = child_ended, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGCHLD, &action, NULL);
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static double reap(pid_t child) {
    struct rusage usage;
    int status;
    if (wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        exit(1);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run_cycle(const struct queue *queue, const struct setup *setup) {
    atomic_long *taken = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (taken == MAP_FAILED)
        die("mmap");
    double start = now_s();
    pid_t worker = split();
    if (worker == 0) {
        work_all(queue, setup, taken);
        _exit(0);
    }
    pid_t submitter = split();
    if (submitter == 0) {
        submit_all(queue, setup, taken);
        _exit(0);
    }
    double submitter_s = reap(submitter), submitted = now_s() - start, worker_s = reap(worker),
           seconds = now_s() - start;
    double count = (double)setup->count;
    printf(
        "\"seconds\":%.4f,\"rate\":%.1f,\"submit_rate\":%.1f,\"client_cpu_us\":%.3f,\"worker_cpu_us\":%.3f",
        seconds, count / seconds, count / submitted, submitter_s / count * 1e6, worker_s / count * 1e6);
}

// Calls beyond the first ones, timed and printed.
static void call_all(const struct queue *queue, const struct setup *setup) {
    double *seconds = calloc((size_t)setup->count, sizeof *seconds);
    void *self = queue->open(setup, false);
    for (long i = -setup->warm_up; i < setup->count; i++) {
        double start = now_s();
        queue->call(self, i + setup->warm_up);
        if (i >= 0)
            seconds[i] = now_s() - start;
    }
    printf("\"client_cpu_us\":%.3f", cpu_s(RUSAGE_SELF) / (double)(setup->count + setup->warm_up) * 1e6);
    print_percentiles(seconds, setup->count);
    queue->close(self);
    free(seconds);
}

static void run_latency(const struct queue *queue, const struct setup *setup) {
    pid_t worker = split();
    if (worker == 0) {
        void *self = queue->open(setup, true);
        for (long i = 0; i < setup->count + setup->warm_up; i++)
            queue->serve(self);
        queue->settle(self);
        _exit(0);
    }
    call_all(queue, setup);
    printf(",\"worker_cpu_us\":%.3f", reap(worker) / (double)(setup->count + setup->warm_up) * 1e6);
}

static void run_pace(const struct queue *queue, const struct setup *setup) {
    void *self = queue->open(setup, false);
    double start = now_s();
    for (long sent = 0, answers = 0; sent < setup->count; usleep(2000)) {
        long due = (long)((now_s() - start) * (double)setup->rate);
        due = due < setup->count ? due : setup->count;
        if (due > sent)
            answers = queue->submit(self, sent, due - sent);
        sent = due > sent ? due : sent;
        queue->confirm(self, answers);
        answers = 0;
    }
    queue->close(self);
    double seconds = now_s() - start;
    printf("\"seconds\":%.4f,\"rate\":%.1f,\"client_cpu_us\":%.3f", seconds, (double)setup->count / seconds,
           cpu_s(RUSAGE_SELF) / (double)setup->count * 1e6);
}

// Submitters that share a count: every one takes the next number, submits it and waits for its answer.
struct submitters {
    const struct queue *queue;
    const struct setup *setup;
    void **selves;
    double *seconds;
    atomic_long next;
};

static void ack_polled(struct submitters *all) {
    long n = all->setup->connections, sent = 0;
    struct pollfd *fds = calloc((size_t)n, sizeof *fds);
    double *started = calloc((size_t)n, sizeof *started);
    for (long i = 0; i < n; i++, sent++) {
        fds[i] = (struct pollfd){.fd = all->queue->fd(all->selves[i]), .events = POLLIN};
        started[i] = now_s();
        all->queue->submit(all->selves[i], sent, 1);
    }
    for (long done = 0; done < all->setup->count;) {
        if (poll(fds, (nfds_t)n, -1) < 0)
            die("poll");
        for (long i = 0; i < n; i++) {
            if (fds[i].revents == 0)
                continue;
            all->queue->confirm(all->selves[i], 1);
            double now = now_s();
            if (done < all->setup->count)
                all->seconds[done++] = now - started[i];
            started[i] = now;
            if (sent < all->setup->count)
                all->queue->submit(all->selves[i], sent++, 1);
        }
    }
    free(started);
    free(fds);
}

struct ack_thread {
    pthread_t id;
    struct submitters *all;
    void *self;
};

static void *ack_threaded(void *arg) {
    const struct ack_thread *own = arg;
    struct submitters *all = own->all;
    for (long number; (number = atomic_fetch_add(&all->next, 1)) < all->setup->count;) {
        double start = now_s();
        all->queue->confirm(own->self, all->queue->submit(own->self, number, 1));
        all->seconds[number] = now_s() - start;
    }
    return NULL;
}

static void ack_in_threads(struct submitters *all) {
    long n = all->setup->connections;
    struct ack_thread *threads = calloc((size_t)n, sizeof *threads);
    for (long i = 0; i < n; i++) {
        threads[i].all = all;
        threads[i].self = all->selves[i];
        if (pthread_create(&threads[i].id, NULL, ack_threaded, &threads[i]) != 0)
            die("pthread_create");
    }
    for (long i = 0; i < n; i++)
        pthread_join(threads[i].id, NULL);
    free(threads);
}

static void run_ack(const struct queue *queue, const struct setup *setup) {
    struct submitters all = {
        .queue = queue, .setup = setup, .seconds = calloc((size_t)setup->count, sizeof(double))};
    size_t n = (size_t)setup->connections;
    if (setup->count < setup->connections)
        die("ack needs a task for each connection");
    all.selves = calloc(n, sizeof *all.selves);
    for (size_t i = 0; i < n; i++)
        all.selves[i] = queue->open(setup, false);
    double start = now_s();
    if (queue->fd != NULL)
        ack_polled(&all);
    else
        ack_in_threads(&all);
    double seconds = now_s() - start;
    printf("\"seconds\":%.4f,\"rate\":%.1f,\"client_cpu_us\":%.3f", seconds, (double)setup->count / seconds,
           cpu_s(RUSAGE_SELF) / (double)setup->count * 1e6);
    print_percentiles(all.seconds, setup->count);
    for (size_t i = 0; i < n; i++)
        queue->close(all.selves[i]);
    free(all.selves);
    free(all.seconds);
}

static const struct option long_options[] = {
    {"count",       required_argument, NULL, 'n'},
    {"bytes",       required_argument, NULL, 's'},
    {"batch",       required_argument, NULL, 'b'},
    {"window",      required_argument, NULL, 'w'},
    {"connections", required_argument, NULL, 'c'},
    {"names",       required_argument, NULL, 'N'},
    {"delay",       required_argument, NULL, 'd'},
    {"rate",        required_argument, NULL, 'r'},
    {"warm-up",     required_argument, NULL, 'u'},
    {"mixed",       no_argument,       NULL, 'm'},
    {"variant",     required_argument, NULL, 'v'},
    {NULL,          0,                 NULL, 0  },
};

static struct setup parse(int argc, char **argv) {
    struct setup setup = {.count = 1000,
                          .bytes = 100,
                          .batch = 1,
                          .connections = 1,
                          .names = 1,
                          .rate = 1000,
                          .warm_up = 200,
                          .variant = ""};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        long value = optarg != NULL ? atol(optarg) : 0;
        switch (c) {
        case 'n': setup.count = value; break;
        case 's': setup.bytes = (size_t)value; break;
        case 'b': setup.batch = value; break;
        case 'w': setup.window = value; break;
        case 'c': setup.connections = value; break;
        case 'N': setup.names = value; break;
        case 'd': setup.delay_ms = value; break;
        case 'r': setup.rate = value; break;
        case 'u': setup.warm_up = value; break;
        case 'm': setup.mixed = true; break;
        case 'v': setup.variant = optarg; break;
        default: exit(2);
        }
    }
    setup.port = optind + 2 == argc ? atoi(argv[optind + 1]) : 0;
    if (setup.port < 1 || setup.count < 1 || setup.batch < 1 || setup.connections < 1 || setup.names < 1 ||
        setup.rate < 1 || setup.warm_up < 0) {
        fputs("usage: VERB PORT [--count N] [--bytes N] [--batch N] [--window N] [--connections N] [--names "
              "N]\n"
              "       [--delay MS] [--mixed] [--variant NAME]; verbs: submit, work, cycle, latency, call, "
              "ack\n",
              stderr);
        exit(2);
    }
    return setup;
}

int driver_main(const struct queue *queue, int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(const struct queue *queue, const struct setup *setup);
    } verbs[] = {
        {"submit",  run_submit },
        {"work",    run_work   },
        {"cycle",   run_cycle  },
        {"latency", run_latency},
        {"call",    call_all   },
        {"pace",    run_pace   },
        {"ack",     run_ack    },
    };
    struct setup setup = parse(argc, argv);
    errno = 0;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[optind], verbs[i].name) != 0)
            continue;
        printf("{\"count\":%ld,", setup.count);
        verbs[i].run(queue, &setup);
        puts("}");
        return 0;
    }
    fprintf(stderr, "driver: no verb %s\n", argv[optind]);
    return 2;
}
