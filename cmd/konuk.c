// SPDX-License-Identifier: GPL-2.0-or-later
//
// konuk: runs guests, and tells what this machine offers to them.
#include "cmd/konuk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/i18n.h"

static void say(const char *format, va_list args)
{
    char sentence[4096];
    vsnprintf(sentence, sizeof sentence, format, args);
    for (char *c = sentence; *c; c++)  // a path may hold anything
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "konuk: %s\n", sentence);
}

int konuk_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    return KONUK_FAILED;
}

int konuk_misuse(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    fprintf(stderr, _("Try `konuk help%s%s`.\n"), *command ? " " : "", command);
    return KONUK_USAGE;
}

const char *konuk_errno(int code)
{
    static const char *const known[] = {  // as libc says them, for the catalogue
        N_("No such file or directory"), N_("Permission denied"), N_("Is a directory"),
        N_("Not a directory"), N_("No space left on device"), N_("Input/output error"),
        N_("Read-only file system"), N_("File name too long"), N_("Too many levels of symbolic links"),
        N_("Operation not permitted"), N_("Function not implemented"), N_("Invalid argument"),
        N_("Cannot allocate memory"), N_("No such device or address"), N_("No such device"),
        N_("Device or resource busy"), N_("Exec format error"),
    };
    (void)known;
    return gettext(strerror(code));
}

const char *konuk_beside(const char *const *places, char *path, unsigned path_bytes)
{
    char here[2048];
    ssize_t length = readlink("/proc/self/exe", here, sizeof here - 1);
    if (length <= 0)
        return NULL;
    here[length] = 0;
    *strrchr(here, '/') = 0;
    for (; *places; places++) {
        int written = snprintf(path, path_bytes, "%s/%s", here, *places);
        if (written > 0 && (unsigned)written < path_bytes && access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}

void konuk_format_bytes(char *text, unsigned text_bytes, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    double value = (double)bytes;
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    snprintf(text, text_bytes, "%.*f %s", unit && value < 100 && value != (unsigned)value, value,
             units[unit]);
}

static int print_version(void)
{
    printf("konuk %s\n", KONUK_VERSION);
    return KONUK_GOOD;
}

static int one_argument(int argc, char **argv)
{
    return argc > 2 ? konuk_misuse("", _("%s: too many arguments"), argv[1]) : 0;
}

static int dispatch(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word)
        return konuk_misuse("", _("what shall be done? The commands are run, doctor and help"));
    if (!strcmp(word, "run"))
        return konuk_run(argc - 1, argv + 1);
    if (!strcmp(word, "doctor"))
        return konuk_doctor(argc - 1, argv + 1);
    if (!strcmp(word, "help") && argc <= 3)
        return konuk_help(argv[2]);
    if (!strcmp(word, "--help") || !strcmp(word, "-h"))
        return konuk_help(NULL);
    if (!strcmp(word, "--version") || !strcmp(word, "-V"))
        return one_argument(argc, argv) ? KONUK_USAGE : print_version();
    if (!strcmp(word, "help"))
        return one_argument(argc, argv);
    return konuk_misuse("", *word == '-' ? _("%s: no such option") : _("%s: no such command"), word);
}

// What is on standard output counts: a full disk there is a failure.
int main(int argc, char **argv)
{
    i18n_init("konuk");
    int status = dispatch(argc, argv);
    if ((fflush(stdout) || ferror(stdout)) && status == KONUK_GOOD)
        status = konuk_fail(_("can't write to standard output: %s"), konuk_errno(errno));
    return status;
}
