/* labtool cycle: a program with a working set of known size, which it goes through again and again.
 *
 *   labtool cycle ANON_MIB FILE FILE_MIB STEPS PAUSE_MS
 * A cycle writes to each page of ANON_MIB of anonymous memory (half of each page is noise, so that zram cannot make it
 * vanish) and reads each page of the first FILE_MIB of a file, without readahead, in STEPS steps; after each it pauses,
 * in place of the computing that a program would do. Each cycle says when it began, how long it took, and how much of that
 * was no pause. SIGTERM to the process called lab-cycle ends it.
 */
#define _GNU_SOURCE
#include "labtool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t is_over;

static void end(int signal_number)
{
    (void)signal_number;
    is_over = 1;
}

int cycle(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    long anon_pages = atol(argv[0]) * MIB / PAGE, file_pages = atol(argv[2]) * MIB / PAGE, steps = atol(argv[3]);
    double pause_s = atof(argv[4]) / 1000;
    char buffer[PAGE];
    uint64_t noise = NOISE_SEED;
    int file = open(argv[1], O_RDONLY | O_CLOEXEC);
    /* Reserved, as programs do: some estimators go by what the kernel has promised. */
    char *memory = mmap(NULL, anon_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (file < 0 || memory == MAP_FAILED || steps < 1)
        return 2;
    prctl(PR_SET_NAME, "lab-cycle");
    signal(SIGTERM, end);
    posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
    for (long page = 0; page < anon_pages; page++)
        fill_page(memory + page * PAGE, 1, &noise);
    long count = 0;
    while (!is_over) {
        double began_s = now_s(), worked_s = 0;
        for (long step = 0; step < steps && !is_over; step++) {
            double step_s = now_s();
            for (long page = anon_pages * step / steps; page < anon_pages * (step + 1) / steps; page++)
                ++*(volatile char *)(memory + page * PAGE + PAGE - 1);
            for (long page = file_pages * step / steps; page < file_pages * (step + 1) / steps; page++)
                if (pread(file, buffer, PAGE, page * PAGE) != PAGE)
                    return 2;
            worked_s += now_s() - step_s;
            sleep_until(now_s() + pause_s);
        }
        if (!is_over)
            answer("+", "{\"cycle\": %ld, \"began_s\": %.4f, \"took_s\": %.4f, \"worked_s\": %.4f}", count++, began_s,
                   now_s() - began_s, worked_s);
    }
    answer("", "{\"cycles\": %ld}", count);
    return 0;
}
