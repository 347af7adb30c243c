/* labtool pressure: notes PSI's counters of memory at a steady beat, from memory of its own that is never swapped.
 *
 *   labtool pressure FILE SECONDS EVERY_MS
 * Each line of FILE: milliseconds since the start, and the microseconds that all programs (full), and that some (some),
 * have stalled since. SIGTERM to the process called lab-pressure ends it; the answer says when it started.
 */
#define _GNU_SOURCE
#include "labtool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t is_over;

static void end(int signal_number)
{
    (void)signal_number;
    is_over = 1;
}

static long long total_us(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    at = at ? strstr(at, "total=") : NULL;
    return at ? atoll(at + 6) : -1;
}

int pressure(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int psi = open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
    int file = open(argv[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    double every_s = atof(argv[2]) / 1000, start_s = now_s(), end_s = start_s + atof(argv[1]);
    long long first_full_us = -1, first_some_us = -1;
    char text[512], row[96];
    if (psi < 0 || file < 0 || mlockall(MCL_CURRENT | MCL_FUTURE))
        return 2;
    prctl(PR_SET_NAME, "lab-pressure");
    signal(SIGTERM, end);
    for (double due_s = start_s; !is_over && due_s < end_s; due_s += every_s) {
        sleep_until(due_s);
        ssize_t got = pread(psi, text, sizeof text - 1, 0);
        if (got <= 0)
            return 2;
        text[got] = 0;
        long long full_us = total_us(text, "full"), some_us = total_us(text, "some");
        if (first_full_us < 0) {
            first_full_us = full_us;
            first_some_us = some_us;
        }
        int length = snprintf(row, sizeof row, "%.0f %lld %lld\n", (now_s() - start_s) * 1000, full_us - first_full_us,
                              some_us - first_some_us);
        if (write(file, row, length) != length)
            return 2;
    }
    answer("", "{\"start_s\": %.6f}", start_s);
    return 0;
}
