/*
 * Stands in for the hypervisor under an unmodified C xenstored (LD_PRELOAD), so
 * that the real daemon runs where there is no Xen. Only what xenstored 4.17
 * imports is here. Everything it knows of domains is in $XS_SHIM_DIR:
 *
 *   dom-N             exists while domain N does; holds one letter:
 *                     r(unning), s(hut down), c(rashed), d(ying)
 *   ring-N            the page that domain N shares with xenstored
 *   evtchn-xenstored  a datagram socket: the port (uint32, native order) of each
 *                     event for xenstored; 1 is VIRQ_DOM_EXC, 1000 + N domain N
 *   evtchn-dom-N      a datagram socket: events for domain N
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { VIRQ_PORT = 1, PORT_BASE = 1000, PAGE = 4096, XENSTORE_GRANT = 1 };

/* The head of xc_dominfo_t (xenctrl.h of 4.17): all that xenstored looks at. */
struct dominfo {
	uint32_t domid, ssidref;
	unsigned int dying : 1, crashed : 1, shutdown : 1;
};

static int handle; /* what the *_open functions return the address of */
static int event_fd = -1;

static const char *state_path(char *buf, size_t size, const char *what, int number)
{
	const char *dir = getenv("XS_SHIM_DIR");

	if (number < 0)
		snprintf(buf, size, "%s/%s", dir, what);
	else
		snprintf(buf, size, "%s/%s-%d", dir, what, number);
	return buf;
}

static void event_address(struct sockaddr_un *address, const char *what, int number)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	state_path(address->sun_path, sizeof(address->sun_path), what, number);
}

/* libxenctrl: which domains are there */

static int domain_state(uint32_t domid) /* a letter, or 0: there is none */
{
	char path[256], state = 'r';
	int fd;

	if (domid == 0)
		return state;
	fd = open(state_path(path, sizeof(path), "dom", domid), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &state, 1) != 1)
		state = 'r';
	close(fd);
	return state;
}

void *xc_interface_open(void *logger, void *dombuild_logger, unsigned flags)
{
	(void)logger, (void)dombuild_logger, (void)flags;
	return &handle;
}

int xc_interface_close(void *xch)
{
	(void)xch;
	return 0;
}

int xc_domain_getinfo(void *xch, uint32_t first, unsigned max, struct dominfo *info)
{
	int state = domain_state(first);

	(void)xch, (void)max; /* xenstored asks for one domain at a time */
	if (!state)
		return 0;
	memset(info, 0, sizeof(*info));
	info->domid = first;
	info->dying = state == 'd';
	info->shutdown = state == 's';
	info->crashed = state == 'c';
	return 1;
}

/* libxengnttab: the shared pages */

static void *map_ring(uint32_t domid)
{
	char path[256];
	void *page;
	int fd = open(state_path(path, sizeof(path), "ring", domid), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return NULL;
	page = ftruncate(fd, PAGE) < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : page;
}

void *xengnttab_open(void *logger, unsigned flags)
{
	(void)logger, (void)flags;
	return &handle;
}

int xengnttab_close(void *xgt)
{
	(void)xgt;
	return 0;
}

int xengnttab_set_max_grants(void *xgt, uint32_t count)
{
	(void)xgt, (void)count;
	return 0;
}

void *xengnttab_map_grant_ref(void *xgt, uint32_t domid, uint32_t ref, int prot)
{
	(void)xgt, (void)prot;
	if (ref != XENSTORE_GRANT || !domain_state(domid)) {
		errno = EINVAL;
		return NULL;
	}
	return map_ring(domid);
}

int xengnttab_unmap(void *xgt, void *start, uint32_t count)
{
	(void)xgt;
	return munmap(start, (size_t)count * PAGE);
}

/* libxenevtchn: events */

void *xenevtchn_open(void *logger, unsigned flags)
{
	struct sockaddr_un address;

	(void)logger, (void)flags;
	event_address(&address, "evtchn-xenstored", -1);
	unlink(address.sun_path);
	event_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (event_fd < 0 || bind(event_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return NULL;
	return &handle;
}

int xenevtchn_fd(void *xce)
{
	(void)xce;
	return event_fd;
}

int xenevtchn_bind_interdomain(void *xce, uint32_t domid, uint32_t port)
{
	(void)xce, (void)port;
	return PORT_BASE + domid;
}

int xenevtchn_bind_virq(void *xce, unsigned virq)
{
	(void)xce, (void)virq;
	return VIRQ_PORT;
}

int xenevtchn_unbind(void *xce, uint32_t port)
{
	(void)xce, (void)port;
	return 0;
}

int xenevtchn_unmask(void *xce, uint32_t port)
{
	(void)xce, (void)port;
	return 0;
}

int xenevtchn_pending(void *xce)
{
	uint32_t port;

	(void)xce;
	return recv(event_fd, &port, sizeof(port), 0) == sizeof(port) ? (int)port : -1;
}

int xenevtchn_notify(void *xce, uint32_t port)
{
	struct sockaddr_un address;

	(void)xce;
	if (port <= PORT_BASE) /* dom0's kernel: nobody is there */
		return 0;
	event_address(&address, "evtchn-dom", port - PORT_BASE);
	/* A full queue already says "look at the ring"; no reader is no matter. */
	sendto(event_fd, &port, sizeof(port), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof(address));
	return 0;
}

/* libc: /proc/xen, where dom0's kernel says how to reach it */

static const char *redirected(const char *path, char *buf, size_t size)
{
	if (!strcmp(path, "/proc/xen/xsd_kva"))
		return state_path(buf, size, "ring", 0);
	if (!strcmp(path, "/proc/xen/xsd_port"))
		return state_path(buf, size, "xsd_port", -1);
	return path;
}

int open(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	char buf[256];
	mode_t mode = 0;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "open");
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_list rest;

		va_start(rest, flags);
		mode = va_arg(rest, mode_t);
		va_end(rest);
	}
	return real(redirected(path, buf, sizeof(buf)), flags, mode);
}
