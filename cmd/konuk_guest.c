// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/konuk_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/i18n.h"
#include "cmd/konuk.h"
#include "cmd/konuk_debian.h"

enum kind { KIND_KERNEL, KIND_RAW, KIND_FOREIGN };
enum { SECTOR_BYTES = 512 };

// Magic numbers of what is not a raw image, so that nobody boots the header of one as a disk.
static const struct magic {
    const char *bytes, *name;
} foreign[] = {
    {"QFI\xfb", "qcow2"}, {"KDMV", "VMDK"}, {"COWD", "VMDK"}, {"vhdxfile", "VHDX"},
    {"<<< ", "VDI"}, {"conectix", "VPC"}, {"QED", "QED"},
};

static enum kind look_at(const unsigned char *head, size_t length, const char **name)
{
    if (length >= 0x206 && !memcmp(head + 0x202, "HdrS", 4))  // Documentation/arch/x86/boot.rst
        return KIND_KERNEL;
    if (length >= 4 && !memcmp(head, "\x7f" "ELF", 4))
        return KIND_KERNEL;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (length >= 8 && !memcmp(head, foreign[i].bytes, strlen(foreign[i].bytes))) {
            *name = foreign[i].name;
            return KIND_FOREIGN;
        }
    return KIND_RAW;
}

// Opens what must be a file that can be read; for devices too. -1 after saying why not.
static int open_file(const char *path)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &about) < 0) {
        konuk_fail(_("%s: %s"), path, konuk_errno(errno));
    } else if (S_ISDIR(about.st_mode)) {
        konuk_fail(_("%s: %s"), path, konuk_errno(EISDIR));
    } else if (!S_ISREG(about.st_mode) && !S_ISBLK(about.st_mode)) {
        konuk_fail(_("%s: neither a file nor a block device"), path);
    } else if (S_ISREG(about.st_mode) && about.st_size == 0) {
        konuk_fail(_("%s: the file is empty"), path);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int look_at_file(const char *path, enum kind *kind)
{
    unsigned char head[4096];
    const char *name;
    int fd = open_file(path);
    if (fd < 0)
        return KONUK_FAILED;
    ssize_t length = pread(fd, head, sizeof head, 0);
    int why = errno;
    off_t end = lseek(fd, 0, SEEK_END);
    close(fd);
    if (length < 0)
        return konuk_fail(_("%s: %s"), path, konuk_errno(why));
    *kind = look_at(head, (size_t)length, &name);
    if (*kind == KIND_RAW && end % SECTOR_BYTES)
        return konuk_fail(_("%s: neither a kernel nor a disk image"), path);
    return *kind == KIND_FOREIGN
               ? konuk_fail(_("%s: a %s image; only raw images can be used so far"), path, name)
               : KONUK_GOOD;
}

static int copy(char *to, size_t size, const char *from)
{
    int written = snprintf(to, size, "%s", from);
    return written >= 0 && (size_t)written < size ? KONUK_GOOD
                                                  : konuk_fail(_("%s: %s"), from, konuk_errno(ENAMETOOLONG));
}

static int take_file(char *to, const char *path)
{
    int fd = open_file(path);
    if (fd < 0)
        return KONUK_FAILED;
    close(fd);
    return copy(to, PATH_MAX, path);
}

static void take_about_line(struct guest *g, char *line)
{
    const struct { const char *key; char *to; size_t size; } fields[] = {
        {"name", g->title, sizeof g->title}, {"append", g->append, sizeof g->append},
        {"user", g->user, sizeof g->user}, {"password", g->password, sizeof g->password},
    };
    char *value = strchr(line, '=');
    if (!value)
        return;
    *value++ = 0;
    value[strcspn(value, "\n")] = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (!strcmp(line, fields[i].key))
            snprintf(fields[i].to, fields[i].size, "%s", value);
}

static void read_about(struct guest *g, const char *path)
{
    char line[2048];
    FILE *about = fopen(path, "re");
    while (about && fgets(line, sizeof line, about))
        take_about_line(g, line);
    if (about)
        fclose(about);
}

// folder/name, if it is there.
static bool beside(char *path, const char *folder, const char *name)
{
    int written = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    bool there = written > 0 && written < PATH_MAX && access(path, R_OK) == 0;
    if (!there)
        *path = 0;
    return there;
}

static void take_kernel_beside(struct guest *g, const char *folder)
{
    char about[PATH_MAX];
    if (!beside(g->kernel, folder, "vmlinuz"))
        return;
    beside(g->initrd, folder, "initrd.img");
    if (beside(about, folder, "about"))
        read_about(g, about);
}

static int take_image(struct guest *g, const char *path, bool has_kernel)
{
    char folder[PATH_MAX];
    if (copy(g->disk, sizeof g->disk, path) || copy(folder, sizeof folder, path))
        return KONUK_FAILED;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    if (has_kernel)
        return KONUK_GOOD;
    take_kernel_beside(g, slash ? folder : ".");
    if (!*g->kernel)
        return konuk_fail(_("%s: a disk image needs a kernel, since it can't be started from firmware yet; "
                            "name it with --kernel (and --initrd), or lay vmlinuz and initrd.img beside "
                            "the image"), path);
    return KONUK_GOOD;
}

// The image may not be there yet in a dry run, so that the names alone count.
static int take_debian(struct guest *g, const struct run_options *o, const char *flavour)
{
    char folder[PATH_MAX - 64];
    if (debian_prepare(flavour, o->update, o->fresh, o->dry_run, folder, sizeof folder) != KONUK_GOOD)
        return KONUK_FAILED;
    snprintf(g->title, sizeof g->title, "Debian 12 (%s)", flavour);
    snprintf(g->append, sizeof g->append, "root=LABEL=debian ro console=ttyS0");
    snprintf(g->disk, sizeof g->disk, "%s/guest.raw", folder);
    take_kernel_beside(g, folder);
    snprintf(g->kernel, sizeof g->kernel, "%s/vmlinuz", folder);
    snprintf(g->initrd, sizeof g->initrd, "%s/initrd.img", folder);
    return KONUK_GOOD;
}

static int take_path(struct guest *g, const struct run_options *o)
{
    enum kind kind;
    const char *name = strrchr(o->guest, '/');
    snprintf(g->title, sizeof g->title, "%.100s", name ? name + 1 : o->guest);
    if (!strchr(o->guest, '/') && access(o->guest, F_OK) < 0)
        return konuk_fail(_("%s: neither a file nor a guest that konuk knows; it knows debian and "
                            "debian:generic"), o->guest);
    if (look_at_file(o->guest, &kind) != KONUK_GOOD)
        return KONUK_FAILED;
    if (kind == KIND_RAW)
        return take_image(g, o->guest, o->kernel);
    return copy(g->kernel, sizeof g->kernel, o->guest);
}

static int take_guest(struct guest *g, const struct run_options *o)
{
    if (!o->guest)
        return copy(g->title, sizeof g->title, "Linux");
    if (!strcmp(o->guest, "debian") || !strcmp(o->guest, "debian:cloud"))
        return take_debian(g, o, "cloud");
    if (!strcmp(o->guest, "debian:generic"))
        return take_debian(g, o, "generic");
    if (o->update || o->fresh)
        return konuk_misuse("run", _("--update and --fresh are for the guests that konuk makes: debian"));
    return take_path(g, o);
}

// The last word on the kernel's command line counts, so what the user says comes after ours.
static int take_words(struct guest *g, const char *append)
{
    char ours[sizeof g->append];
    snprintf(ours, sizeof ours, "%s", *g->append ? g->append : "console=ttyS0");
    int written = snprintf(g->append, sizeof g->append, "%s%s%s", ours, append ? " " : "", append ? append : "");
    return written >= 0 && (size_t)written < sizeof g->append
               ? KONUK_GOOD : konuk_fail(_("--append: more than %zu characters"), sizeof g->append - 1);
}

int guest_find(struct guest *g, const struct run_options *o)
{
    *g = (struct guest){0};
    int status = take_guest(g, o);
    if (status == KONUK_GOOD && o->kernel)
        status = take_file(g->kernel, o->kernel);
    if (status == KONUK_GOOD && o->initrd)
        status = take_file(g->initrd, o->initrd);
    return status == KONUK_GOOD ? take_words(g, o->append) : status;
}
