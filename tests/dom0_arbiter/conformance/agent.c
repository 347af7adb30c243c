/* An agent written from protocol/SPEC.md alone, by somebody who had not seen the other one: what the specification
 * leaves open shows here. It speaks version 1, takes no grants and does not look at the balloon's target or at zram.
 *
 *     gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -o agent agent.c
 *     ./agent SOCKET          a Unix stream socket, or a device such as /dev/xen/xenbus */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { VERSION = 1 };                                                   /* the only one spoken */
enum { STORE_READ = 2, STORE_WRITE = 11, STORE_WATCH_EVENT = 15, STORE_ERROR = 16 };
enum { PAYLOAD_BYTES = 4096, VALUE_BYTES = 1024, RAW_BYTES = VALUE_BYTES / 4 * 3 };
enum { ITEMS_MAX = 64, TEXT_BYTES_MAX = 512, REASON_BYTES_MAX = 128 };
enum { CAN_COUNT = 1, CAN_PSI = 2, FLAG_URGENT = 1, FLAG_FINAL = 2 };
enum { CALL_MS = 5000, STOP_CALL_MS = 1000, STOP_MS = 3000, BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 2000 };
enum { LOOK_MS = 1000, HELLO_LOOKS_MS = 4900, NO_VERSION_LOOK_MS = 30000, HELLO_AGAIN_MS = 5000 };
enum { SUSPEND_MS = 500, OVERSLEPT_MS = 5000, NOTICE_BYTES = 256 };
static const uint64_t KIB_MAX = UINT64_C(1) << 40, COUNTER_MAX = (UINT64_C(1) << 53) - 1;
static const int64_t LONG_AGO_MS = -(INT64_C(1) << 40);

enum { R_VERSION, R_SEQUENCE, R_UPTIME_MS, R_FLAGS, R_TOTAL_KIB, R_FREE_KIB, R_AVAILABLE_KIB, R_FILE_CACHE_KIB,
       R_SHMEM_KIB, R_ANON_KIB, R_UNEVICTABLE_KIB, R_COMMITTED_KIB, R_SWAP_TOTAL_KIB, R_SWAP_USED_KIB, R_MIN_FREE_KIB,
       R_FLOOR_KIB, R_BALLOON_TARGET_KIB, R_SWAP_IN, R_SWAP_OUT, R_REFAULT_FILE, R_REFAULT_ANON, R_OOM_KILL,
       R_PSI_SOME_US, R_PSI_FULL_US, R_SWAP_RAM_KIB, R_SWAP_PACKED_KIB, REPORT_FIELDS };
enum { W_VERSION, W_REASON, W_HEARTBEAT_MS, W_INTERVAL_MIN_MS, W_INTERVAL_MAX_MS, W_CHANGE_KIB, W_URGENT_KIB, WELCOME_FIELDS };

struct bytes { size_t size; uint8_t data[RAW_BYTES]; };
struct cursor { const uint8_t *next, *end; };
struct item { enum { INTEGER, NEGATIVE, TEXT, ARRAY, OTHER } kind; uint64_t number; const uint8_t *text; size_t children; };
struct welcome { uint64_t field[WELCOME_FIELDS]; char reason[REASON_BYTES_MAX + 1]; };
struct reply { uint32_t size; char payload[PAYLOAD_BYTES + 1]; };
enum outcome { ANSWERED, REFUSED, BROKEN };

struct link {
    const char *path;
    int fd;
    uint32_t request_id;
    int64_t give_up_ms, stop_seen_ms;
    bool last_words;
    char notice[NOTICE_BYTES];
};

struct agent {
    struct link link;
    struct welcome welcome;
    uint64_t sample[REPORT_FIELDS], reported_available_kib, invalid_welcomes;
    uint32_t sequence, measured, promised;                              /* capability bits: now, and as of Hello */
    int64_t sampled_ms, looked_ms, hello_ms, reported_ms, said_ms, written_ms, asleep_ms;
    bool hello_due, report_owed, reported_urgent, welcome_since_hello;
    char domid[16], boot_id[65], measure_notice[NOTICE_BYTES], welcome_notice[NOTICE_BYTES];
};

static volatile sig_atomic_t stop_requested;

static void request_stop(int signal_number) { (void)signal_number; stop_requested = 1; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static uint64_t cut(uint64_t value, uint64_t limit) { return value < limit ? value : limit; }

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t now_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

/* Each topic remembers what it said last, so that a lasting trouble is said once. */
static void notice(char *last, const char *topic, const char *format, ...)
{
    char text[NOTICE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (strcmp(last, text) != 0)
        fprintf(stderr, "agent: %s: %s\n", topic, *text ? text : "in order again");
    memcpy(last, text, sizeof text);
}

/* Signals are let in only here, so that none slips in between a look at the flag and the wait. */
static short wait_for(int fd, short events, int64_t wait_ms)
{
    struct pollfd poll_fd = { .fd = fd, .events = events };
    struct timespec timeout = { .tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000 };
    sigset_t none;
    sigemptyset(&none);
    return ppoll(&poll_fd, 1, &timeout, &none) > 0 ? poll_fd.revents : 0;
}

/* ---- msgpack and base64 ---- */

static void put_byte(struct bytes *out, uint64_t byte) { out->data[out->size++] = (uint8_t)byte; }

static void put_big_endian(struct bytes *out, uint64_t value, int size)
{
    while (size-- > 0)
        put_byte(out, value >> 8 * size);
}

static void put_integer(struct bytes *out, uint64_t value)
{
    int power = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
    if (value > 0x7f)
        put_byte(out, 0xcc + (unsigned)power);
    put_big_endian(out, value, 1 << power);
}

static void put_array(struct bytes *out, size_t count)
{
    put_big_endian(out, count < 16 ? 0x90 | count : 0xdc0000 | count, count < 16 ? 1 : 3);
}

/* What the system calls itself is cut and cleaned here: a message with a bad text would be invalid as a whole. */
static void put_text(struct bytes *out, const char *text, size_t limit)
{
    size_t size = strnlen(text, limit);
    put_big_endian(out, size < 32 ? 0xa0 | size : 0xd900 | size, size < 32 ? 1 : 2);
    for (size_t i = 0; i < size; i++)
        put_byte(out, text[i] >= ' ' && text[i] <= '~' ? (uint8_t)text[i] : '?');
}

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode_base64(const struct bytes *raw, char *value)
{
    for (size_t i = 0; i < raw->size; i += 3) {
        uint32_t group = 0;
        for (size_t j = i; j < i + 3; j++)
            group = group << 8 | (j < raw->size ? raw->data[j] : 0);
        for (int j = 0; j < 4; j++)
            *value++ = i + (size_t)j > raw->size ? '=' : BASE64[group >> (18 - 6 * j) & 63];
    }
    *value = '\0';
}

static bool decode_base64(const char *value, size_t size, struct bytes *raw)
{
    size_t padding = size && value[size - 1] == '=' ? 1 + (size > 1 && value[size - 2] == '=') : 0;
    raw->size = 0;
    if (size % 4 || size > VALUE_BYTES)
        return false;
    for (size_t i = 0; i < size; i += 4) {
        uint32_t group = 0;
        for (size_t j = i; j < i + 4; j++) {
            const char *digit = j < size - padding ? memchr(BASE64, value[j], 64) : BASE64;
            if (!digit)
                return false;
            group = group << 6 | (uint32_t)(digit - BASE64);
        }
        put_big_endian(raw, group, 3);
    }
    raw->size -= padding;
    return true;
}

static bool take_big_endian(struct cursor *in, size_t size, uint64_t *value)
{
    if ((size_t)(in->end - in->next) < size)
        return false;
    for (*value = 0; size > 0; size--)
        *value = *value << 8 | *in->next++;
    return true;
}

static bool take_body(struct cursor *in, struct item *item, uint64_t size)
{
    if (size > TEXT_BYTES_MAX || size > (size_t)(in->end - in->next))
        return false;
    item->text = in->next;
    item->number = size;
    in->next += size;
    return true;
}

/* One item's head and, unless it holds other items, its body. */
static bool take_item(struct cursor *in, struct item *item)
{
    uint64_t head, n = 0;
    *item = (struct item){ .kind = OTHER };
    if (!take_big_endian(in, 1, &head))
        return false;
    if (head <= 0x7f || head >= 0xe0) {
        item->kind = head <= 0x7f ? INTEGER : NEGATIVE;
        item->number = head;
        return true;
    }
    if (head >= 0xcc && head <= 0xd3) {
        size_t size = (size_t)1 << (head & 3);
        if (!take_big_endian(in, size, &item->number))
            return false;
        item->kind = head >= 0xd0 && item->number >> (8 * size - 1) ? NEGATIVE : INTEGER;
        return true;
    }
    if (head == 0xc0 || head == 0xc2 || head == 0xc3)
        return true;
    if (head == 0xca || head == 0xcb)
        return take_big_endian(in, head == 0xca ? 4 : 8, &n);
    if (head >= 0xc4 && head <= 0xc6)
        return take_big_endian(in, (size_t)1 << (head - 0xc4), &n) && take_body(in, item, n);
    if ((head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb)) {
        item->kind = TEXT;
        n = head & 0x1f;
        return (head <= 0xbf || take_big_endian(in, (size_t)1 << (head - 0xd9), &n)) && take_body(in, item, n);
    }
    if (head >= 0xc1 && head <= 0xd8)
        return false;                                                   /* extensions, and the byte never used */
    bool is_array = (head >= 0x90 && head <= 0x9f) || head == 0xdc || head == 0xdd;
    n = head & 0x0f;
    if (head >= 0xdc && !take_big_endian(in, head & 1 ? 4 : 2, &n))
        return false;
    item->kind = is_array ? ARRAY : OTHER;
    item->children = (size_t)n * (is_array ? 1 : 2);
    return n <= ITEMS_MAX;
}

/* Counts what is still to come instead of recursing: depth is the sender's to choose. */
static bool skip_item(struct cursor *in)
{
    struct item item;
    for (size_t pending = 1; pending > 0; pending += item.children - 1)
        if (!take_item(in, &item))
            return false;
    return true;
}

static bool is_printable(const uint8_t *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    return true;
}

static bool decode_welcome(const char *value, size_t size, struct welcome *welcome)
{
    static const uint64_t lowest[] = { 0, 0, 100, 1, 1, 1, 0 };
    const uint64_t highest[] = { 65535, REASON_BYTES_MAX, 3600000, 60000, 3600000, COUNTER_MAX, KIB_MAX };
    struct bytes raw;
    struct item array, item;
    *welcome = (struct welcome){ .field = { 0, 0, 60000, 10, 500, 4096, 32768 } };
    if (!decode_base64(value, size, &raw))
        return false;
    struct cursor in = { raw.data, raw.data + raw.size };
    if (!take_item(&in, &array) || array.kind != ARRAY || array.children <= W_REASON)
        return false;
    for (size_t i = 0; i < array.children; i++) {
        if (i >= WELCOME_FIELDS) {
            if (!skip_item(&in))
                return false;
            continue;
        }
        if (!take_item(&in, &item) || item.kind != (i == W_REASON ? TEXT : INTEGER)
                || item.number < lowest[i] || item.number > highest[i])
            return false;
        welcome->field[i] = item.number;
        if (i == W_REASON) {
            if (!is_printable(item.text, item.number))
                return false;
            memcpy(welcome->reason, item.text, item.number);
        }
    }
    return in.next == in.end && welcome->field[W_INTERVAL_MIN_MS] <= welcome->field[W_INTERVAL_MAX_MS];
}

/* ---- xenstore ---- */

static void hang_up(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

static bool dial(struct link *link)
{
    struct stat status;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (link->fd >= 0)
        return true;
    if (stat(link->path, &status) == 0 && S_ISSOCK(status.st_mode)) {
        snprintf(address.sun_path, sizeof address.sun_path, "%s", link->path);
        link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (link->fd >= 0 && connect(link->fd, (struct sockaddr *)&address, sizeof address) != 0) {
            int reason = errno;
            hang_up(link);
            errno = reason;
        }
    } else {
        link->fd = open(link->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
    if (link->fd < 0)
        notice(link->notice, "xenstore", "%s: %s", link->path, strerror(errno));
    return link->fd >= 0;
}

/* Being asked to stop shortens the call under way too, so that the last report has its time. */
static int64_t time_left_ms(struct link *link)
{
    int64_t now = now_ms(), end_ms = link->give_up_ms;
    if (stop_requested) {
        if (!link->stop_seen_ms)
            link->stop_seen_ms = now;
        end_ms = least(end_ms, link->stop_seen_ms + (link->last_words ? STOP_MS : STOP_CALL_MS));
    }
    return end_ms - now;
}

/* Tries before it waits: a xenbus device never says that it can be written to. */
static bool transfer(struct link *link, bool out, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        int64_t left_ms = time_left_ms(link);
        char *next = (char *)data + done;
        errno = ETIMEDOUT;
        if (left_ms <= 0)
            return false;
        ssize_t count = out ? write(link->fd, next, size - done) : read(link->fd, next, size - done);
        if (count == 0)
            errno = ECONNRESET;
        if (count > 0)
            done += (size_t)count;
        else if (count < 0 && errno == EAGAIN)
            wait_for(link->fd, out ? POLLOUT : POLLIN, left_ms);
        else if (errno != EINTR)
            return false;
    }
    return true;
}

static bool receive(struct link *link, uint32_t *type, uint32_t *id, struct reply *reply)
{
    uint32_t header[4];
    if (!transfer(link, false, header, sizeof header))
        return false;
    *type = header[0];
    *id = header[1];
    reply->size = header[3];
    errno = EPROTO;
    if (reply->size > PAYLOAD_BYTES || !transfer(link, false, reply->payload, reply->size))
        return false;
    reply->payload[reply->size] = '\0';
    return true;
}

/* A link that broke or fell silent is dropped: the next one starts without old replies. */
static enum outcome call(struct link *link, uint32_t type, const char *key, const char *value, struct reply *reply)
{
    struct { uint32_t header[4]; char payload[PAYLOAD_BYTES - 16]; } packet;
    size_t key_size = strlen(key) + 1, value_size = strlen(value);
    uint32_t reply_type, reply_id, id = ++link->request_id;
    memcpy(packet.header, (uint32_t[]){ type, id, 0, (uint32_t)(key_size + value_size) }, sizeof packet.header);
    memcpy(packet.payload, key, key_size);
    memcpy(packet.payload + key_size, value, value_size);
    link->give_up_ms = now_ms() + CALL_MS;
    bool alive = transfer(link, true, &packet, sizeof packet.header + key_size + value_size);
    do
        alive = alive && receive(link, &reply_type, &reply_id, reply);
    while (alive && (reply_type == STORE_WATCH_EVENT || reply_id != id));
    if (alive && reply_type == STORE_ERROR)
        return REFUSED;
    if (alive && reply_type == type)
        return ANSWERED;
    notice(link->notice, "xenstore", "%s: %s", key, strerror(alive ? EPROTO : errno));
    hang_up(link);
    return BROKEN;
}

static bool write_key(struct link *link, const char *key, const struct bytes *raw)
{
    char value[VALUE_BYTES + 1];
    struct reply reply;
    encode_base64(raw, value);
    enum outcome outcome = call(link, STORE_WRITE, key, value, &reply);
    if (outcome == REFUSED)
        notice(link->notice, "xenstore", "%s: refused: %.32s", key, reply.payload);
    if (outcome == ANSWERED)
        notice(link->notice, "xenstore", "%s", "");
    return outcome == ANSWERED;
}

/* ---- measuring ---- */

static bool read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t count = -1;
    while (fd >= 0 && used < size - 1 && (count = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)count;
    if (fd >= 0)
        close(fd);
    text[used] = '\0';
    return used > 0 && count >= 0;
}

/* The number after NAME at the start of a line, or after MARK on that line. */
static bool find_number(const char *text, const char *name, const char *mark, uint64_t limit, uint64_t *number)
{
    size_t size = strlen(name);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, name, size) != 0 || !strchr(": ", line[size]))
            continue;
        const char *found = strstr(line + size, mark);
        if (found)
            *number = cut(strtoull(found + strlen(mark), NULL, 10), limit);
        return found != NULL;
    }
    return false;
}

static uint64_t level_kib(const char *meminfo, const char *name)
{
    uint64_t kib = 0;
    find_number(meminfo, name, " ", KIB_MAX, &kib);
    return kib;
}

static bool measure_levels(struct agent *agent)
{
    char text[8192];
    uint64_t *field = agent->sample;
    if (!read_file("/proc/meminfo", text, sizeof text) || !level_kib(text, "MemTotal")) {
        notice(agent->measure_notice, "measuring", "%s", "/proc/meminfo cannot be read");
        return false;
    }
    notice(agent->measure_notice, "measuring", "%s", "");
    agent->sampled_ms = most(now_ms(), agent->sampled_ms + 1);
    field[R_UPTIME_MS] = (uint64_t)agent->sampled_ms;
    field[R_TOTAL_KIB] = level_kib(text, "MemTotal");
    field[R_FREE_KIB] = cut(level_kib(text, "MemFree"), field[R_TOTAL_KIB]);
    field[R_FILE_CACHE_KIB] = cut(level_kib(text, "Active(file)") + level_kib(text, "Inactive(file)"), KIB_MAX);
    if (!find_number(text, "MemAvailable", " ", field[R_TOTAL_KIB], &field[R_AVAILABLE_KIB]))    /* before 3.14 */
        field[R_AVAILABLE_KIB] = cut(field[R_FREE_KIB] + field[R_FILE_CACHE_KIB], field[R_TOTAL_KIB]);
    field[R_SHMEM_KIB] = level_kib(text, "Shmem");
    field[R_ANON_KIB] = level_kib(text, "AnonPages");
    field[R_UNEVICTABLE_KIB] = cut(level_kib(text, "SUnreclaim") + level_kib(text, "KernelStack")
                                   + level_kib(text, "PageTables") + level_kib(text, "Mlocked"), KIB_MAX);
    field[R_COMMITTED_KIB] = level_kib(text, "Committed_AS");
    field[R_SWAP_TOTAL_KIB] = level_kib(text, "SwapTotal");
    uint64_t not_used_kib = level_kib(text, "SwapFree") + level_kib(text, "SwapCached");
    field[R_SWAP_USED_KIB] = field[R_SWAP_TOTAL_KIB] - cut(not_used_kib, field[R_SWAP_TOTAL_KIB]);
    field[R_SWAP_RAM_KIB] = cut(level_kib(text, "Zswap"), field[R_TOTAL_KIB]);
    field[R_SWAP_PACKED_KIB] = cut(level_kib(text, "Zswapped"), field[R_SWAP_USED_KIB]);
    return true;
}

/* What was promised and cannot be read for once keeps its last value: a counter must not fall. */
static void measure_counters(struct agent *agent)
{
    static const char *const names[] = { "pswpin", "pswpout", "workingset_refault_file", "workingset_refault_anon", "oom_kill" };
    char text[16384];
    bool counts = read_file("/proc/vmstat", text, sizeof text);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        counts = find_number(text, names[i], " ", COUNTER_MAX, &agent->sample[R_SWAP_IN + i]) && counts;
    bool stalls = read_file("/proc/pressure/memory", text, sizeof text)
        && find_number(text, "some", "total=", COUNTER_MAX, &agent->sample[R_PSI_SOME_US])
        && find_number(text, "full", "total=", COUNTER_MAX, &agent->sample[R_PSI_FULL_US]);
    agent->measured = (counts ? CAN_COUNT : 0) | (stalls ? CAN_PSI : 0);
    if (read_file("/proc/sys/vm/min_free_kbytes", text, sizeof text))
        agent->sample[R_MIN_FREE_KIB] = cut(strtoull(text, NULL, 10), KIB_MAX);
}

/* ---- the rules ---- */

static bool say_hello(struct agent *agent)
{
    struct bytes raw = { .size = 0 };
    struct utsname system;
    uname(&system);
    agent->promised = agent->measured;
    put_array(&raw, 8);
    put_integer(&raw, VERSION);
    put_integer(&raw, VERSION);
    put_text(&raw, "aerostat-c", 32);
    put_text(&raw, "0.1.0", 32);
    put_text(&raw, *system.sysname ? system.sysname : "Linux", 32);
    put_text(&raw, system.release, 64);
    put_integer(&raw, agent->promised);
    put_text(&raw, agent->boot_id, 64);
    if (!write_key(&agent->link, "data/aerostat/hello", &raw))
        return false;
    agent->hello_due = agent->welcome_since_hello = false;
    agent->hello_ms = now_ms();
    return true;
}

static void take_welcome(struct agent *agent, const struct reply *reply)
{
    struct welcome welcome;
    agent->welcome_since_hello = true;
    bool valid = decode_welcome(reply->payload, reply->size, &welcome);
    uint64_t version = welcome.field[W_VERSION];
    if (!valid || version > VERSION) {                                  /* one not spoken cannot be gone by either */
        agent->invalid_welcomes++;
        notice(agent->welcome_notice, "Welcome", "%s", valid ? "names a version not spoken here" : "invalid, dropped");
        return;
    }
    if (version == 0)
        notice(agent->welcome_notice, "Welcome", "no version in common, not reporting: %s", welcome.reason);
    else
        notice(agent->welcome_notice, "Welcome", "%s", "");
    if (version != agent->welcome.field[W_VERSION])
        agent->report_owed = true;
    agent->welcome = welcome;
}

static bool look(struct agent *agent)
{
    struct reply reply;
    enum outcome outcome = call(&agent->link, STORE_READ, "domid", "", &reply);
    if (outcome == BROKEN)
        return false;
    if (outcome == ANSWERED) {
        if (*agent->domid && strncmp(agent->domid, reply.payload, sizeof agent->domid - 1) != 0)
            agent->hello_due = true;
        snprintf(agent->domid, sizeof agent->domid, "%.15s", reply.payload);
    }
    outcome = call(&agent->link, STORE_READ, "aerostat/welcome", "", &reply);
    if (outcome == BROKEN)
        return false;
    agent->looked_ms = now_ms();
    if (outcome == ANSWERED) {
        take_welcome(agent, &reply);
    } else if (strcmp(reply.payload, "ENOENT") != 0 && strcmp(reply.payload, "EACCES") != 0) {
        notice(agent->welcome_notice, "Welcome", "refused: %.32s", reply.payload);
    } else if (!agent->hello_due && (agent->welcome_since_hello || now_ms() - agent->hello_ms >= HELLO_AGAIN_MS)) {
        notice(agent->welcome_notice, "Welcome", "%s", "none there");
        agent->hello_due = true;
    }
    return true;
}

static bool write_report(struct agent *agent, bool final)
{
    struct bytes raw = { .size = 0 };
    uint64_t field[REPORT_FIELDS];
    if (agent->sampled_ms == agent->said_ms && !measure_levels(agent))  /* no two reports of one moment */
        return false;
    agent->said_ms = agent->sampled_ms;
    memcpy(field, agent->sample, sizeof field);
    bool urgent = field[R_AVAILABLE_KIB] < agent->welcome.field[W_URGENT_KIB];
    field[R_VERSION] = agent->welcome.field[W_VERSION];
    field[R_SEQUENCE] = agent->sequence++;
    field[R_FLAGS] = (urgent ? FLAG_URGENT : 0) | (final ? FLAG_FINAL : 0);
    for (int i = R_SWAP_IN; i <= R_PSI_FULL_US; i++)
        if (!(agent->promised & (i <= R_OOM_KILL ? CAN_COUNT : CAN_PSI)))
            field[i] = 0;
    put_array(&raw, REPORT_FIELDS);
    for (int i = 0; i < REPORT_FIELDS; i++)
        put_integer(&raw, field[i]);
    bool written = write_key(&agent->link, "data/aerostat/report", &raw);
    agent->written_ms = now_ms();                                       /* one that failed may have got there too */
    if (written) {
        agent->report_owed = false;
        agent->reported_ms = agent->sampled_ms;
        agent->reported_available_kib = field[R_AVAILABLE_KIB];
        agent->reported_urgent = urgent;
    }
    return written;
}

static bool report_wanted(const struct agent *agent, int64_t now)
{
    const uint64_t *rule = agent->welcome.field;
    uint64_t available_kib = agent->sample[R_AVAILABLE_KIB], before_kib = agent->reported_available_kib;
    uint64_t moved_kib = available_kib > before_kib ? available_kib - before_kib : before_kib - available_kib;
    return rule[W_VERSION] != 0
        && (agent->report_owed || now - agent->reported_ms >= (int64_t)rule[W_HEARTBEAT_MS]
            || moved_kib >= rule[W_CHANGE_KIB] || (available_kib < rule[W_URGENT_KIB] && !agent->reported_urgent));
}

/* Looks by themselves: for the answer to Hello, also where an old Welcome lies there; and for a newer dom0. */
static int64_t next_look_ms(const struct agent *agent)
{
    if (agent->looked_ms + LOOK_MS <= agent->hello_ms + HELLO_LOOKS_MS)
        return agent->looked_ms + LOOK_MS;
    return agent->welcome.field[W_VERSION] == 0 ? agent->looked_ms + NO_VERSION_LOOK_MS : INT64_MAX;
}

/* Milliseconds are cut off, so one more than the interval makes sure of it. */
static int64_t next_report_ms(const struct agent *agent)
{
    return agent->written_ms + (int64_t)agent->welcome.field[W_INTERVAL_MIN_MS] + 1;
}

static int64_t next_wake_ms(const struct agent *agent)
{
    const uint64_t *rule = agent->welcome.field;
    int64_t wake_ms = next_look_ms(agent);
    if (rule[W_VERSION] == 0)
        return wake_ms;
    int64_t period_ms = most((int64_t)rule[W_INTERVAL_MAX_MS] / 2, (int64_t)rule[W_INTERVAL_MIN_MS]);
    int64_t due_ms = agent->reported_ms + (int64_t)rule[W_HEARTBEAT_MS];
    if (report_wanted(agent, now_ms()))
        due_ms = LONG_AGO_MS;
    return least(wake_ms, least(agent->sampled_ms + period_ms, most(due_ms, next_report_ms(agent))));
}

/* Time spent suspended is in one clock and not in the other. */
static void notice_suspend(struct agent *agent)
{
    int64_t asleep_ms = clock_ms(CLOCK_BOOTTIME) - now_ms();
    if (asleep_ms > agent->asleep_ms + SUSPEND_MS)
        agent->hello_due = true;
    agent->asleep_ms = most(agent->asleep_ms, asleep_ms);
}

/* Does what is due; false where it has to be tried again. */
static bool step(struct agent *agent, bool final)
{
    int64_t now = now_ms();
    notice_suspend(agent);
    if (agent->link.fd < 0)
        agent->looked_ms = LONG_AGO_MS;                                 /* Welcome may be lost with the old link */
    if (!dial(&agent->link))
        return false;
    if ((final || now - agent->sampled_ms >= (int64_t)agent->welcome.field[W_INTERVAL_MIN_MS]) && !measure_levels(agent))
        return false;
    bool report = final || agent->hello_due || (report_wanted(agent, now) && now >= next_report_ms(agent));
    if (!report && now < next_look_ms(agent))
        return true;
    measure_counters(agent);
    if (now - agent->looked_ms >= LOOK_MS && !look(agent))
        return false;
    bool greet = agent->hello_due;
    if (greet && !say_hello(agent))
        return false;
    if (!greet && !final && (!report || now < next_report_ms(agent)))   /* Welcome may have changed the interval */
        return true;
    return agent->welcome.field[W_VERSION] == 0 || write_report(agent, final);
}

/* False when the other end went away meanwhile: nothing else would tell until the next report. */
static bool sleep_until(struct agent *agent, int64_t wake_ms)
{
    int64_t left_ms;
    while (!stop_requested && (left_ms = wake_ms - now_ms()) > 0)
        if (wait_for(agent->link.fd, POLLRDHUP, least(left_ms, 3600000)) & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) {
            notice(agent->link.notice, "xenstore", "%s: closed by the other end", agent->link.path);
            hang_up(&agent->link);
            return false;
        }
    if (now_ms() > wake_ms + OVERSLEPT_MS)
        agent->hello_due = true;                                        /* paused, perhaps with all its clocks */
    return true;
}

static void catch_signals(void)
{
    struct sigaction stop = { .sa_handler = request_stop }, ignore = { .sa_handler = SIG_IGN };
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static void run(struct agent *agent)
{
    int64_t backoff_ms = BACKOFF_MIN_MS;
    while (!stop_requested) {
        bool fine = step(agent, false);
        if (fine) {
            backoff_ms = BACKOFF_MIN_MS;
            fine = sleep_until(agent, next_wake_ms(agent));
        }
        if (!fine) {
            agent->report_owed = true;
            int64_t again_ms = now_ms() + backoff_ms;
            while (!sleep_until(agent, again_ms))
                continue;                                               /* hung up on while waiting: wait on */
            backoff_ms = least(backoff_ms * 2, BACKOFF_MAX_MS);
        }
    }
    agent->link.last_words = true;
    step(agent, true);
    hang_up(&agent->link);
    if (agent->invalid_welcomes)
        fprintf(stderr, "agent: %" PRIu64 " times a Welcome was invalid\n", agent->invalid_welcomes);
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 2 || strlen(arguments[1]) >= sizeof ((struct sockaddr_un *)0)->sun_path) {
        fprintf(stderr, "usage: agent SOCKET\n");
        return 2;
    }
    struct agent agent = {
        .link = { .path = arguments[1], .fd = -1 },
        .welcome = { .field = { VERSION, 0, 60000, 10, 500, 4096, 32768 } },
        .sampled_ms = LONG_AGO_MS, .looked_ms = LONG_AGO_MS, .hello_ms = 2 * LONG_AGO_MS, .reported_ms = LONG_AGO_MS,
        .written_ms = LONG_AGO_MS, .asleep_ms = clock_ms(CLOCK_BOOTTIME) - now_ms(), .hello_due = true,
    };
    if (!read_file("/proc/sys/kernel/random/boot_id", agent.boot_id, sizeof agent.boot_id))
        snprintf(agent.boot_id, sizeof agent.boot_id, "started-%" PRId64, clock_ms(CLOCK_REALTIME));
    agent.boot_id[strcspn(agent.boot_id, "\n")] = '\0';
    catch_signals();
    run(&agent);
    return 0;
}
