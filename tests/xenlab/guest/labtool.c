/* What the lab runs inside a guest: one static program, small enough not to matter to the guest's memory.
 *
 *   labtool serve                          answers commands on its standard input (the console), costs nothing while idle
 *   labtool touch KIND MIB [KEY=VALUE ...] fills memory, holds it, lets go (touch.c)
 *   labtool read FILE MIB                  reads the start of a file, which fills the page cache
 *   labtool cycle ANON_MIB FILE MIB STEPS PAUSE_MS   works through memory and a file again and again (cycle.c)
 *   labtool pressure FILE SECONDS EVERY_MS notes how long all programs stalled on memory (pressure.c)
 *   labtool pick FILE MIB SECONDS          reads pages of a file at random (pick.c)
 *   labtool stat                           the guest's own counters
 *   labtool clock                          CLOCK_REALTIME
 *
 * A command to `serve` is "ID VERB ..."; besides the above, "ID sh COMMAND ..." runs a shell command. Each answer is one
 * line "@ID JSON"; `touch` says "@ID+ JSON" as soon as everything is touched, `cycle` at each cycle's end. Times are CLOCK_REALTIME in seconds, which
 * PV guests and dom0 both derive from Xen's wall clock.
 */
#define _GNU_SOURCE
#include "labtool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const char *id = ""; /* of the command being answered; empty on a command line */
static char answer_line[4096];

double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* One write per line: kernel messages are kept off the console, so lines stay whole. */
void answer(const char *mark, const char *format, ...)
{
    int at = *id ? snprintf(answer_line, sizeof answer_line, "@%s%s ", id, mark) : 0;
    va_list args;
    va_start(args, format);
    at += vsnprintf(answer_line + at, sizeof answer_line - at - 1, format, args);
    va_end(args);
    if (at > (int)sizeof answer_line - 2)
        at = sizeof answer_line - 2;
    answer_line[at++] = '\n';
    if (write(1, answer_line, at) != at)
        _exit(1);
}

long field_of(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (!strncmp(line, name, length) && (line[length] == ':' || line[length] == ' '))
            return atol(line + length + 1);
    return -1;
}

static int read_all(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t got = 0;
    ssize_t n;
    if (fd < 0)
        return -1;
    while (got < size - 1 && (n = read(fd, buffer + got, size - 1 - got)) > 0)
        got += n;
    buffer[got] = 0;
    close(fd);
    return 0;
}

static int read_file(int argc, char **argv)
{
    static char buffer[131072];
    double start_s = now_s();
    long left = argc > 1 ? atol(argv[1]) * MIB : 0, total = 0;
    int fd = argc > 0 ? open(argv[0], O_RDONLY) : -1;
    ssize_t n;
    if (fd < 0)
        return 2;
    while (left > 0 && (n = read(fd, buffer, left < (long)sizeof buffer ? left : (long)sizeof buffer)) > 0) {
        total += n;
        left -= n;
    }
    answer("", "{\"start_s\": %.6f, \"end_s\": %.6f, \"read_kib\": %ld}", start_s, now_s(), total / 1024);
    return 0;
}

static int stat_now(void)
{
    static const char *vm_fields[] = {"oom_kill", "pswpin", "pswpout", "pgmajfault", "workingset_refault_file",
                                      "workingset_refault_anon", "nr_free_pages"};
    static const char *info_fields[] = {"MemTotal", "MemFree", "MemAvailable", "Cached", "Shmem", "AnonPages",
                                        "SwapTotal", "SwapFree"};
    static char text[32768];
    char out[1024];
    int at = snprintf(out, sizeof out, "\"at_s\": %.6f", now_s());
    read_all("/proc/vmstat", text, sizeof text);
    for (size_t i = 0; i < sizeof vm_fields / sizeof *vm_fields; i++)
        at += snprintf(out + at, sizeof out - at, ", \"%s\": %ld", vm_fields[i], field_of(text, vm_fields[i]));
    read_all("/proc/meminfo", text, sizeof text);
    for (size_t i = 0; i < sizeof info_fields / sizeof *info_fields; i++)
        at += snprintf(out + at, sizeof out - at, ", \"%s\": %ld", info_fields[i], field_of(text, info_fields[i]));
    answer("", "{%s}", out);
    return 0;
}

static int shell(char *command)
{
    static char raw[1800], quoted[3600];
    FILE *pipe = popen(command, "r");
    size_t got = pipe ? fread(raw, 1, sizeof raw - 1, pipe) : 0, at = 0;
    char rest[512];
    while (pipe && fread(rest, 1, sizeof rest, pipe) > 0)
        ;
    int status = pipe ? pclose(pipe) : -1;
    for (size_t i = 0; i < got && at < sizeof quoted - 8; i++) {
        unsigned char c = raw[i];
        if (c == '"' || c == '\\')
            at += sprintf(quoted + at, "\\%c", c);
        else if (c < 32 || c > 126)
            at += sprintf(quoted + at, "\\u%04x", c);
        else
            quoted[at++] = c;
    }
    quoted[at] = 0;
    answer("", "{\"status\": %d, \"output\": \"%s\"}", WIFEXITED(status) ? WEXITSTATUS(status) : -1, quoted);
    return 0;
}

static int run(int argc, char **argv)
{
    if (argc > 0 && !strcmp(argv[0], "touch"))
        return touch(argc - 1, argv + 1);
    if (argc > 0 && !strcmp(argv[0], "cycle"))
        return cycle(argc - 1, argv + 1);
    if (argc > 0 && !strcmp(argv[0], "pick"))
        return pick(argc - 1, argv + 1);
    if (argc > 0 && !strcmp(argv[0], "pressure"))
        return pressure(argc - 1, argv + 1);
    if (argc > 0 && !strcmp(argv[0], "read"))
        return read_file(argc - 1, argv + 1);
    if (argc > 0 && !strcmp(argv[0], "stat"))
        return stat_now();
    if (argc > 0 && !strcmp(argv[0], "clock")) {
        answer("", "{\"at_s\": %.6f}", now_s());
        return 0;
    }
    return 2;
}

static void serve_line(char *line)
{
    char *words[32], *rest;
    int count = 0;
    id = strsep(&line, " ");
    if (!line)
        return;
    if (!strncmp(line, "sh ", 3)) {
        shell(line + 3);
        return;
    }
    for (rest = line; count < 32 && (words[count] = strsep(&rest, " ")); count++)
        ;
    int status = run(count, words);
    if (status)
        answer("", "{\"error\": \"status %d\"}", status);
}

static int serve(void)
{
    static char line[4096];
    struct termios tty;
    if (!tcgetattr(0, &tty)) {
        tty.c_lflag &= ~(ECHO | ECHONL);
        tcsetattr(0, TCSANOW, &tty);
    }
    signal(SIGCHLD, SIG_IGN); /* each command is a process of its own; nobody waits for it */
    for (;;) {
        if (!fgets(line, sizeof line, stdin)) {
            clearerr(stdin); /* a console that hung up comes back after a restore */
            sleep(1);
            continue;
        }
        line[strcspn(line, "\r\n")] = 0;
        if (!strcmp(line + strcspn(line, " "), " clock")) { /* without a fork: its round trip bounds the clocks' skew */
            id = strtok(line, " ");
            answer("", "{\"at_s\": %.6f}", now_s());
        } else if (*line && fork() == 0) {
            signal(SIGCHLD, SIG_DFL);
            serve_line(line);
            _exit(0);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "serve"))
        return serve();
    return run(argc - 1, argv + 1);
}
