/* labtool pick: reads pages of a file or disk at random, the popular ones more often, for as long as it is told.
 *
 *   labtool pick FILE MIB SECONDS
 * Of MIB of FILE, page number rank (from 0, of n) is read as often as (rank + 1)^-1/2 says, so that the most popular c pages
 * take sqrt(c / n) of all reads. Neighbours in rank lie far apart in the file. The answer says how many were read.
 */
#define _GNU_SOURCE
#include "labtool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FAR 7919 /* a prime, so that every page has one rank */

int pick(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int file = open(argv[0], O_RDONLY | O_CLOEXEC);
    long pages = atol(argv[1]) * MIB / PAGE, reads = 0;
    char buffer[PAGE];
    uint64_t noise = NOISE_SEED ^ ((uint64_t)getpid() << 32);
    double start_s = now_s(), end_s = start_s + atof(argv[2]);
    if (file < 0 || pages < 1)
        return 2;
    posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
    while (now_s() < end_s) {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        double even = (noise >> 11) / 9007199254740992.0; /* 2^53 */
        long rank = (long)(pages * even * even);
        if (pread(file, buffer, PAGE, rank * FAR % pages * PAGE) != PAGE)
            return 2;
        reads++;
    }
    answer("", "{\"reads\": %ld, \"took_s\": %.4f}", reads, now_s() - start_s);
    return 0;
}
