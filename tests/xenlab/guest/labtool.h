/* What labtool's parts share. */
#define MIB (1024L * 1024L)

double now_s(void); /* CLOCK_REALTIME */
void answer(const char *mark, const char *format, ...); /* a line to whoever asked; mark: empty, or + for a part */
long field_of(const char *text, const char *name); /* of "NAME: NUMBER" lines; -1 where there is none */
int touch(int argc, char **argv); /* a command: 0, or 2 for misuse */
