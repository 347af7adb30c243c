/* What labtool's parts share. */
#include <stdint.h>

#define MIB (1024L * 1024L)
#define PAGE 4096L
#define NOISE_SEED 88172645463325252ULL

double now_s(void); /* CLOCK_REALTIME */
void answer(const char *mark, const char *format, ...); /* a line to whoever asked; mark: empty, or + for a part */
long field_of(const char *text, const char *name); /* of "NAME: NUMBER" lines; -1 where there is none */
int touch(int argc, char **argv); /* a command: 0, or 2 for misuse */
int cycle(int argc, char **argv);
int pick(int argc, char **argv);
int pressure(int argc, char **argv);
void sleep_until(double at_s);
void fill_page(char *page, int dense, uint64_t *noise); /* dense: half of it with noise; else one word */
