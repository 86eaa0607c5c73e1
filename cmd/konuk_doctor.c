// SPDX-License-Identifier: GPL-2.0-or-later
//
// konuk doctor: one line for each thing that a guest can use, and what to do where it is missing. Each
// check says its line through one of three: what is there, what could be better, what is needed.
#include <errno.h>
#include <langinfo.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/i18n.h"
#include "cmd/konuk.h"
#include "cmd/konuk_host.h"

enum mark { GOOD, NOTE, MISSING };
enum { MARK_COLUMNS = 9, NAME_COLUMNS = 24 };

static const uint64_t GIB = 1 << 30;
static unsigned missing;

static void pad(const char *text, int columns)
{
    wchar_t wide[64] = {0};
    size_t letters = mbstowcs(wide, text, 63);
    int width = letters == (size_t)-1 ? (int)strlen(text) : wcswidth(wide, letters);
    printf("%s%*s", text, width < columns ? columns - width : 1, "");
}

__attribute__((format(printf, 3, 4)))
static void tell(enum mark mark, const char *name, const char *format, ...)
{
    static const char *const marks[] = {N_("good"), N_("note"), N_("missing")};
    va_list args;
    pad(_(marks[mark]), MARK_COLUMNS);
    pad(name, NAME_COLUMNS);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    missing += mark == MISSING;
}

static bool check_cpu(void)
{
    struct host_cpu cpu;
    host_cpu(&cpu);
    const char *name = *cpu.name ? cpu.name : _("unknown model");
    tell(GOOD, _("CPU"), ngettext("%s, %u CPU", "%s, %u CPUs", cpu.count), name, cpu.count);
    bool engine = cpu.avx2 && cpu.bmi2;
    if (engine)
        tell(GOOD, _("Konuk's own engine"), "%s", _("works here: the CPU has AVX2 and BMI2"));
    else
        tell(NOTE, _("Konuk's own engine"), _("can't work here: the CPU lacks %s"),
             cpu.avx2 ? "BMI2" : cpu.bmi2 ? "AVX2" : "AVX2, BMI2");
    return engine;
}

static bool check_kvm(void)
{
    static const char *const texts[] = {
        [HOST_KVM_ABSENT] = N_("/dev/kvm isn't there; guests run on Konuk's own engine"),
        [HOST_KVM_FORBIDDEN] = N_("/dev/kvm is there, but you may not open it; joining the group kvm helps: "
                                  "sudo adduser $USER kvm"),
        [HOST_KVM_BROKEN] = N_("/dev/kvm is there, but makes no virtual machine"),
        [HOST_KVM_SOFTWARE] = N_("/dev/kvm is there, but the CPU shows neither svm nor vmx: it is a KVM in "
                                 "software, such as PVM, on which ordinary kernels hang; so guests run on "
                                 "Konuk's own engine"),
        [HOST_KVM_GOOD] = N_("/dev/kvm works, and guests run on it"),
    };
    enum host_kvm kvm = host_kvm();
    tell(kvm == HOST_KVM_GOOD ? GOOD : NOTE, "KVM", "%s", _(texts[kvm]));
    return kvm == HOST_KVM_GOOD;
}

static void check_engines(void)
{
    bool own = check_cpu(), kvm = check_kvm();
    if (!own && !kvm)
        tell(MISSING, _("engine"), "%s", _("there is none: guests need KVM, or a CPU with AVX2 and BMI2"));
}

static void check_memory(void)
{
    struct host_memory m;
    char total[32], available[32], pages[32];
    host_memory(&m);
    konuk_format_bytes(total, sizeof total, m.total_bytes);
    konuk_format_bytes(available, sizeof available, m.available_bytes);
    tell(m.available_bytes >= GIB / 2 ? GOOD : NOTE, _("memory"), _("%s, of which %s are free"), total, available);
    konuk_format_bytes(pages, sizeof pages, m.hugepages * m.hugepage_bytes);
    if (m.hugepages)
        tell(GOOD, _("huge pages"), _("%s are free"), pages);
    else
        tell(NOTE, _("huge pages"), "%s", _("none are reserved; guests run without"));
    int rc = host_memfd();
    if (rc)
        tell(MISSING, "memfd", _("guest memory can't be made: %s"), konuk_errno(rc));
    else
        tell(GOOD, "memfd", "%s", _("guest memory can be shared with other programs"));
}

static void check_kernel(void)
{
    int rc = host_io_uring();
    if (rc)
        tell(NOTE, "io_uring", _("refused (%s); disks use threads instead"), konuk_errno(rc));
    else
        tell(GOOD, "io_uring", "%s", _("works; disks use it"));
    rc = host_user_namespaces();
    if (rc)
        tell(NOTE, _("user namespaces"), _("refused (%s); images are made with fakechroot instead, or by root"),
             konuk_errno(rc));
    else
        tell(GOOD, _("user namespaces"), "%s", _("work; images can be made without root"));
    rc = host_tun();
    if (rc)
        tell(NOTE, _("TUN/TAP"), _("can't be used (%s); guests have the user-mode network"), konuk_errno(rc));
    else
        tell(GOOD, _("TUN/TAP"), "%s", _("works"));
}

static void check_program(const char *name, const char *package, const char *purpose)
{
    if (host_has_program(name))
        tell(GOOD, name, "%s", purpose);
    else
        tell(MISSING, name, _("%s; sudo apt-get install %s"), purpose, package);
}

static void check_tools(void)
{
    static const char *const places[] = {"konuk-vmm", NULL};
    char path[PATH_MAX];
    if (konuk_beside(places, path, sizeof path) || host_has_program("konuk-vmm"))
        tell(GOOD, "konuk-vmm", "%s", _("runs guests"));
    else
        tell(MISSING, "konuk-vmm", "%s", _("runs guests; it belongs beside konuk or into PATH"));
    check_program("apt-get", "apt", _("fetches Debian's packages"));
    check_program("mmdebstrap", "mmdebstrap", _("makes the Debian guest"));
    check_program("mkfs.ext4", "e2fsprogs", _("makes file systems"));
    if (geteuid() != 0)
        check_program("fakeroot", "fakeroot", _("makes images without root"));
}

static void check_space(void)
{
    char cache[PATH_MAX], text[32];
    uint64_t bytes = 0;
    if (!host_cache(cache, sizeof cache)) {
        tell(MISSING, _("disk space"), "%s", _("neither HOME nor KONUK_CACHE is set"));
        return;
    }
    int rc = host_free_space(cache, &bytes);
    konuk_format_bytes(text, sizeof text, bytes);
    if (rc)
        tell(MISSING, _("disk space"), "%s: %s", cache, konuk_errno(rc));
    else if (bytes < 2 * GIB)
        tell(MISSING, _("disk space"), _("%s free in %s; a Debian guest takes 2 GiB while it is made"), text, cache);
    else
        tell(GOOD, _("disk space"), _("%s free in %s"), text, cache);
}

static void check_language(void)
{
    const char *wanted = i18n_wanted(), *codeset = nl_langinfo(CODESET);
    bool english = !strncmp(wanted, "C", 1) || !strncmp(wanted, "POSIX", 5) || !strncmp(wanted, "en", 2);
    if (!english && !strcmp(i18n_language(), "en"))
        tell(NOTE, _("language"), _("%s is asked for, and konuk speaks English and Turkish"), wanted);
    else if (!i18n_has_locale())
        tell(NOTE, _("language"), _("English; the system doesn't have the locale %s: sudo dpkg-reconfigure locales"),
             wanted);
    else
        tell(GOOD, _("language"), _("English (%s, %s)"), wanted, codeset);
}

static int conclude(void)
{
    putchar('\n');
    if (missing)
        printf(ngettext("%u thing is missing.\n", "%u things are missing.\n", missing), missing);
    else
        printf(_("Guests can run here: konuk run debian\n"));
    return missing ? KONUK_FAILED : KONUK_GOOD;
}

int konuk_doctor(int argc, char **argv)
{
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
        return konuk_help("doctor");
    if (argc > 1)
        return konuk_misuse("doctor", _("%s: too many arguments"), argv[1]);
    check_engines();
    check_memory();
    check_kernel();
    check_tools();
    check_space();
    check_language();
    return conclude();
}
