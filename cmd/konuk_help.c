// SPDX-License-Identifier: GPL-2.0-or-later
//
// What `konuk --help` and `konuk help COMMAND` say. Each paragraph is one message for translators.
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "cmd/konuk.h"

static void help_konuk(void)
{
    fputs(_("konuk runs virtual machines (guests) on this machine.\n"
            "\n"
            "  konuk run debian      makes a Debian 12 guest, once, and boots it on this terminal\n"
            "  konuk run FILE        boots a kernel or a disk image\n"
            "  konuk doctor          tells what this machine offers to guests and what is missing\n"
            "  konuk help COMMAND    tells more about run or doctor\n"
            "  konuk --version\n"
            "\n"), stdout);
    fputs(_("The programs under QEMU's names (qemu-system-x86_64, kvm) take QEMU's options.\n"), stdout);
}

static void help_run(void)
{
    fputs(_("konuk run [OPTION...] debian|debian:generic|KERNEL|IMAGE [-- QEMU-OPTION...]\n"
            "\n"
            "Boots a guest whose serial console is this terminal. Ctrl-A x ends it, Ctrl-A c shows the\n"
            "monitor, Ctrl-A h lists more.\n"
            "\n"
            "  debian       a Debian 12 with systemd, made of Debian's packages the first time and kept,\n"
            "               with what you change in it; debian:generic has Debian's other kernel\n"
            "  KERNEL       a bzImage or an ELF kernel\n"
            "  IMAGE        a raw disk image, with vmlinuz and initrd.img beside it or with --kernel\n"
            "\n"), stdout);
    fputs(_("  -m, --memory SIZE       512M, 2G ...; by default a quarter of what is free, 2G at most\n"
            "  -c, --cpus N            vCPUs; by default as many as this machine has, 4 at most\n"
            "  -d, --disk FILE         one more disk, a raw image; may be repeated\n"
            "  -p, --publish P:G       port P of this machine leads to port G of the guest; also\n"
            "                          ADDRESS:P:G, and /udp behind it; may be repeated\n"
            "  -n, --name NAME         what the guest is called\n"
            "      --kernel FILE       this kernel instead of the guest's own\n"
            "      --initrd FILE       this initrd\n"
            "      --append WORDS      more words for the kernel's command line\n"
            "      --no-network        no network card\n"
            "      --engine ENGINE     auto, konuk (Konuk's own, needs no KVM) or kvm\n"
            "      --fresh             debian: forgets all that was changed in the guest\n"
            "      --update            debian: makes it anew from the packages of today\n"
            "      --dry-run           prints the command instead of running it\n"
            "\n"), stdout);
    fputs(_("What follows -- goes to konuk-vmm as it is. The cache is ~/.cache/konuk, or $KONUK_CACHE.\n"), stdout);
}

static void help_doctor(void)
{
    fputs(_("konuk doctor\n"
            "\n"
            "Looks at this machine: its CPU, KVM, memory, io_uring, namespaces, network devices, the tools\n"
            "that make images, disk space and language. Changes nothing. The status is 0 if guests can run\n"
            "here and `konuk run debian` has what it needs, otherwise 1.\n"), stdout);
}

int konuk_help(const char *topic)
{
    if (!topic)
        help_konuk();
    else if (!strcmp(topic, "run"))
        help_run();
    else if (!strcmp(topic, "doctor"))
        help_doctor();
    else
        return konuk_misuse("", _("%s: no such command"), topic);
    return KONUK_GOOD;
}
