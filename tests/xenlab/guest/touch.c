/* labtool touch: fills memory as a program would, holds it, lets go, and says when what was touched.
 *
 *   labtool touch KIND MIB [KEY=VALUE ...] fills memory, holds it, lets go; prints when what was touched
 *       KIND   private, shared (MAP_SHARED, anonymous), tmpfs (a mapped file in /tmp), populate (MAP_POPULATE: the
 *              kernel touches everything in one call)
 *       hold   seconds to hold (default 0)      rate   MiB/s at most (default 0: as fast as it can)
 *       walk   MiB/s at which held pages are touched again and again (default 0: never)
 *       dense  1: fill half of each page with noise, so that zram cannot make it vanish (default 0: one word a page)
 * SIGTERM to the process called lab-touch ends the holding early, as if it were over.
 */
#define _GNU_SOURCE
#include "labtool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MILESTONE_PAGES 4096       /* a milestone each 16 MiB */
#define MILESTONES_MAX 80          /* so that one answer stays below a console line of 4096 bytes */
#define POPULATE_POLL_NS 20000000L /* while the kernel touches, somebody else has to look: each 20 ms */
#define POPULATE_STEP_KIB 8192

struct milestone {
    double at_s;
    long touched_kib, available_kib;
};
struct progress { /* shared with the parent, so that it survives the toucher */
    double first_s, last_s;
    long touched_kib;
    int count;
    struct milestone milestones[MILESTONES_MAX];
};

void sleep_until(double at_s)
{
    double left_s = at_s - now_s();
    if (left_s <= 0)
        return;
    struct timespec ts = {(time_t)left_s, (long)((left_s - (time_t)left_s) * 1e9)};
    nanosleep(&ts, NULL);
}

static long available_kib(int meminfo)
{
    char text[256]; /* MemAvailable is the third line */
    ssize_t n = pread(meminfo, text, sizeof text - 1, 0);
    if (n <= 0)
        return -1;
    text[n] = 0;
    return field_of(text, "MemAvailable");
}

static void mark(struct progress *progress, int meminfo)
{
    if (progress->count < MILESTONES_MAX)
        progress->milestones[progress->count++] = (struct milestone){now_s(), progress->touched_kib, available_kib(meminfo)};
}

void fill_page(char *page, int dense, uint64_t *noise)
{
    if (!dense) {
        *(volatile long *)page = 1;
        return;
    }
    for (uint64_t *word = (uint64_t *)page; word < (uint64_t *)(page + PAGE / 2); word++) {
        *noise ^= *noise << 13;
        *noise ^= *noise >> 7;
        *noise ^= *noise << 17;
        *word = *noise;
    }
}

struct options {
    const char *kind;
    long mib;
    double hold_s, rate_mib_s, walk_mib_s;
    int dense;
};

static void let_go(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static void touch_all(struct options o, struct progress *progress, const char *tmpfs_path)
{
    size_t bytes = o.mib * MIB;
    int populate = !strcmp(o.kind, "populate"), fd = -1;
    /* Not reserved: Linux refuses a reservation larger than what the guest has now, which its balloon makes small. */
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    int meminfo = open("/proc/meminfo", O_RDONLY);
    uint64_t noise = NOISE_SEED;

    if (!strcmp(o.kind, "shared"))
        flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
    if (!strcmp(o.kind, "tmpfs")) {
        flags = MAP_SHARED | MAP_NORESERVE;
        fd = open(tmpfs_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || ftruncate(fd, bytes))
            _exit(2);
    }
    mark(progress, meminfo);
    progress->first_s = now_s();
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | (populate ? MAP_POPULATE : 0), fd, 0);
    if (memory == MAP_FAILED)
        _exit(2);
    if (!populate)
        for (size_t page = 0; page < bytes / PAGE; page++) {
            fill_page(memory + page * PAGE, o.dense, &noise);
            if ((page + 1) % (MIB / PAGE))
                continue;
            progress->touched_kib = (page + 1) * (PAGE / 1024);
            if ((page + 1) % MILESTONE_PAGES == 0)
                mark(progress, meminfo);
            if (o.rate_mib_s > 0)
                sleep_until(progress->first_s + progress->touched_kib / 1024.0 / o.rate_mib_s);
        }
    progress->touched_kib = bytes / 1024;
    progress->last_s = now_s();
    mark(progress, meminfo);
    answer("+", "{\"first_s\": %.6f, \"last_s\": %.6f}", progress->first_s, progress->last_s);

    double end_s = progress->last_s + o.hold_s;
    if (o.walk_mib_s <= 0)
        sleep_until(end_s);
    for (size_t page = 0; o.walk_mib_s > 0 && now_s() < end_s; page = (page + 256) % (bytes / PAGE)) {
        double step_end_s = now_s() + 1.0 / o.walk_mib_s; /* 256 pages are one MiB */
        for (size_t next = page; next < page + 256 && next < bytes / PAGE; next++)
            ++*(volatile char *)(memory + next * PAGE + PAGE - 1);
        sleep_until(step_end_s);
    }
    _exit(0);
}

int touch(int argc, char **argv)
{
    struct options o = {.kind = argc > 0 ? argv[0] : "private", .mib = argc > 1 ? atol(argv[1]) : 1};
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            return 2;
        if (!strncmp(argv[i], "hold=", 5))
            o.hold_s = atof(value + 1);
        else if (!strncmp(argv[i], "rate=", 5))
            o.rate_mib_s = atof(value + 1);
        else if (!strncmp(argv[i], "walk=", 5))
            o.walk_mib_s = atof(value + 1);
        else if (!strncmp(argv[i], "dense=", 6))
            o.dense = atoi(value + 1);
        else
            return 2;
    }
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char tmpfs_path[64];
    int meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC), status = 0;
    snprintf(tmpfs_path, sizeof tmpfs_path, "/tmp/touch-%d", getpid());
    double start_s = now_s();
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_NAME, "lab-touch");
        signal(SIGTERM, let_go);
        touch_all(o, progress, tmpfs_path);
    }
    if (!strcmp(o.kind, "populate")) {
        long last_kib = available_kib(meminfo);
        struct timespec poll = {0, POPULATE_POLL_NS};
        while (waitpid(child, &status, WNOHANG) == 0 && progress->last_s == 0) {
            long kib = available_kib(meminfo);
            if (labs(kib - last_kib) >= POPULATE_STEP_KIB) {
                mark(progress, meminfo);
                last_kib = kib;
            }
            nanosleep(&poll, NULL);
        }
    }
    if (child > 0)
        waitpid(child, &status, 0);
    unlink(tmpfs_path);

    char milestones[3600] = "";
    int at = 0;
    for (int i = 0; i < progress->count && at < (int)sizeof milestones - 60; i++)
        at += snprintf(milestones + at, sizeof milestones - at, "%s[%.3f, %ld, %ld]", i ? ", " : "",
                       progress->milestones[i].at_s, progress->milestones[i].touched_kib,
                       progress->milestones[i].available_kib);
    answer("", "{\"start_s\": %.6f, \"first_s\": %.6f, \"last_s\": %.6f, \"end_s\": %.6f, \"touched_kib\": %ld, \"signal\": %d, "
               "\"status\": %d, \"milestones\": [%s]}",
           start_s, progress->first_s, progress->last_s, now_s(), progress->touched_kib,
           WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0, milestones);
    return 0;
}
