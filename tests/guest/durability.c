// SPDX-License-Identifier: GPL-2.0-or-later
//
// What tests/guest/durability runs, as a static program:
//
//     guest-durability write DIRECTORY             in the guest, until it is killed
//     guest-durability check DIRECTORY <REPORT     on the host: the console's text
//
// Five writers, a process each, make numbered records whose bytes follow from writer and number. A writer
// says `ack WRITER NUMBER.` once the call that makes a record durable has returned, and nothing sooner.
// check finds the last number of each writer and looks whether all that it promised is there.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { RECORD_BYTES_MAX = 16384, SLOTS = 16, KEPT = 8, PATH_BYTES = 512 };
enum { LOG_FSYNC, LOG_DSYNC, LOG_SYNC_RANGE, RING, NAMES, WRITERS };

struct record {
    uint64_t words[RECORD_BYTES_MAX / 8];
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static size_t bytes_of(unsigned writer, uint64_t number)
{
    if (writer == RING)
        return 4096;
    return 512 + mix(writer * 7919 + number) % (RECORD_BYTES_MAX / 512) * 512;
}

static size_t make(struct record *r, unsigned writer, uint64_t number)
{
    size_t bytes = bytes_of(writer, number);
    r->words[0] = number;
    r->words[1] = writer;
    for (size_t i = 2; i < bytes / 8; i++)
        r->words[i] = mix((number << 20) + (writer << 16) + i);
    return bytes;
}

static void fail(const char *what)
{
    printf("durability: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

static void must(int good, const char *what)
{
    if (!good)
        fail(what);
}

static int open_in(const char *folder, unsigned writer, const char *name, int flags)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%.200s/%u%s", folder, writer, name);
    return open(path, flags, 0644);
}

// One call, so that writers don't mix their words. The terminal takes them into a buffer at once; only when it
// has said them is the next record begun, so that nobody gets far ahead of what was said.
static void acknowledge(unsigned writer, uint64_t number)
{
    char line[64];
    int bytes = snprintf(line, sizeof line, "ack %u %llu.\n", writer, (unsigned long long)number);
    must(write(STDOUT_FILENO, line, bytes) == bytes && !tcdrain(STDOUT_FILENO), "console");
}

static void put(int fd, unsigned writer, uint64_t number, off_t at)
{
    static struct record record;
    size_t bytes = make(&record, writer, number);
    must(pwrite(fd, &record, bytes, at) == (ssize_t)bytes, "pwrite");
}

// Three logs that grow, made durable in three ways.
static void write_log(const char *folder, unsigned writer)
{
    int fd = open_in(folder, writer, "", O_WRONLY | O_CREAT | (writer == LOG_DSYNC ? O_DSYNC : 0));
    must(fd >= 0, "open");
    off_t at = 0;
    for (uint64_t number = 1;; number++) {
        put(fd, writer, number, at);
        at += bytes_of(writer, number);
        if (writer == LOG_FSYNC)
            must(!fsync(fd), "fsync");
        else if (writer == LOG_SYNC_RANGE)
            must(!fdatasync(fd), "fdatasync");
        acknowledge(writer, number);
    }
}

// Overwrites in place: blocks that the filesystem has given out already, so that data goes past its journal.
static void write_ring(const char *folder)
{
    int fd = open_in(folder, RING, "", O_WRONLY | O_CREAT);
    must(fd >= 0, "open");
    for (uint64_t number = 1;; number++) {
        put(fd, RING, number, number % SLOTS * 4096);
        must(!fdatasync(fd), "fdatasync");
        acknowledge(RING, number);
    }
}

static void path_of(char *path, const char *folder, uint64_t number, const char *more)
{
    snprintf(path, PATH_BYTES, "%.240s/%llu%s", folder, (unsigned long long)number, more);
}

static void add_name(const char *folder, uint64_t number)
{
    char path[PATH_BYTES], final[PATH_BYTES];
    path_of(path, folder, number, ".new");
    path_of(final, folder, number, "");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    must(fd >= 0, "open");
    put(fd, NAMES, number, 0);
    must(!fsync(fd) && !close(fd), "fsync");
    must(!rename(path, final), "rename");
}

// Files that come by a rename and go; what is acknowledged is the directory's fsync.
static void write_names(const char *folder)
{
    char names[PATH_BYTES], old[PATH_BYTES];
    snprintf(names, sizeof names, "%.200s/names", folder);
    must(!mkdir(names, 0755), "mkdir");
    int up = open(folder, O_RDONLY | O_DIRECTORY), fd = open(names, O_RDONLY | O_DIRECTORY);
    must(up >= 0 && fd >= 0 && !fsync(up), "directory");
    for (uint64_t number = 1;; number++) {
        add_name(names, number);
        path_of(old, names, number - KEPT, "");
        must(number <= KEPT || !unlink(old), "unlink");
        must(!fsync(fd), "fsync of a directory");
        acknowledge(NAMES, number);
    }
}

static void write_as(const char *folder, unsigned writer)
{
    switch (writer) {
    case RING: write_ring(folder); break;
    case NAMES: write_names(folder); break;
    default: write_log(folder, writer); break;
    }
}

static int write_all(const char *folder)
{
    must(!mkdir(folder, 0755), "mkdir");
    int up = open(".", O_RDONLY);
    must(up >= 0 && !fsync(up), "fsync of a directory");
    sync();  // the directory itself; each file's own fsync takes its name along
    for (unsigned writer = 1; writer < WRITERS; writer++)
        if (!fork())
            write_as(folder, writer);
    write_as(folder, 0);
    return 1;
}

static void read_report(uint64_t last[WRITERS])
{
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        unsigned writer;
        unsigned long long number;
        char dot = 0, end = 0;
        if (sscanf(line, "ack %u %llu%c%c", &writer, &number, &dot, &end) == 4 && dot == '.' &&
            end == '\n' && writer < WRITERS && number > last[writer])
            last[writer] = number;
    }
}

static int complain(unsigned writer, uint64_t number, const char *what)
{
    printf("writer %u: record %llu %s\n", writer, (unsigned long long)number, what);
    return 1;
}

static int check_record(int fd, unsigned writer, uint64_t number, off_t at)
{
    static struct record right, found;
    size_t bytes = make(&right, writer, number);
    if (pread(fd, &found, bytes, at) != (ssize_t)bytes)
        return complain(writer, number, "is not there");
    return memcmp(&right, &found, bytes) ? complain(writer, number, "has other bytes") : 0;
}

static int check_log(int fd, unsigned writer, uint64_t last)
{
    off_t at = 0;
    int wrong = 0;
    for (uint64_t number = 1; number <= last && !wrong; number++) {
        wrong = check_record(fd, writer, number, at);
        at += bytes_of(writer, number);
    }
    return wrong;
}

// What the guest said last may have been lost with the process, so a slot may hold a newer record than the one
// that is known of. It must hold it whole: a kill does not end a write amid a page.
static int check_slot(int fd, uint64_t number)
{
    uint64_t found = 0;
    off_t at = number % SLOTS * 4096;
    if (pread(fd, &found, sizeof found, at) == sizeof found && found > number && found % SLOTS == number % SLOTS)
        number = found;
    return check_record(fd, RING, number, at);
}

static int check_ring(int fd, uint64_t last)
{
    int wrong = 0;
    uint64_t first = last > SLOTS - 1 ? last - (SLOTS - 1) : 0;
    for (uint64_t number = first + 1; number <= last; number++)
        wrong |= check_slot(fd, number);
    return wrong;
}

static int check_name(const char *folder, uint64_t number)
{
    char path[PATH_BYTES];
    path_of(path, folder, number, "");
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return complain(NAMES, number, "has no file");
    int wrong = check_record(fd, NAMES, number, 0);
    close(fd);
    return wrong;
}

static int has_name(const char *names, uint64_t number)
{
    char path[PATH_BYTES];
    path_of(path, names, number, "");
    return !access(path, F_OK);
}

// Those that were kept, but for the ones that records after the last known took away; and those taken away
// are gone.
static int check_names(const char *folder, uint64_t last)
{
    char names[PATH_BYTES];
    int wrong = 0;
    snprintf(names, sizeof names, "%.200s/names", folder);
    uint64_t newest = last, gone = last > KEPT ? last - KEPT : 0;
    while (has_name(names, newest + 1))
        newest++;
    for (uint64_t number = 1; number <= gone; number++)
        if (has_name(names, number))
            wrong |= complain(NAMES, number, "was removed and is there");
    for (uint64_t number = newest >= KEPT ? newest - KEPT + 1 : 1; number <= last; number++)
        wrong |= check_name(names, number);
    return wrong;
}

static int check_all(const char *folder)
{
    uint64_t last[WRITERS] = {0};
    int wrong = 0;
    read_report(last);
    for (unsigned writer = 0; writer < NAMES; writer++) {
        int fd = open_in(folder, writer, "", O_RDONLY);
        if (fd < 0 && last[writer])
            wrong |= complain(writer, last[writer], "has no file");
        else
            wrong |= writer == RING ? check_ring(fd, last[RING]) : check_log(fd, writer, last[writer]);
    }
    wrong |= check_names(folder, last[NAMES]);
    printf("acknowledged:");
    for (unsigned writer = 0; writer < WRITERS; writer++)
        printf(" %llu", (unsigned long long)last[writer]);
    printf("\n");
    return wrong;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "write"))
        return write_all(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "check"))
        return check_all(argv[2]);
    fprintf(stderr, "usage: %s write|check DIRECTORY\n", argv[0]);
    return 2;
}
