// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/konuk_options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "cmd/konuk.h"

enum { KERNEL = 256, INITRD, APPEND, NO_NETWORK, ENGINE, DRY_RUN, FRESH, UPDATE };

static const struct option long_options[] = {
    {"memory", required_argument, NULL, 'm'},
    {"cpus", required_argument, NULL, 'c'},
    {"disk", required_argument, NULL, 'd'},
    {"publish", required_argument, NULL, 'p'},
    {"name", required_argument, NULL, 'n'},
    {"kernel", required_argument, NULL, KERNEL},
    {"initrd", required_argument, NULL, INITRD},
    {"append", required_argument, NULL, APPEND},
    {"no-network", no_argument, NULL, NO_NETWORK},
    {"engine", required_argument, NULL, ENGINE},
    {"dry-run", no_argument, NULL, DRY_RUN},
    {"fresh", no_argument, NULL, FRESH},
    {"update", no_argument, NULL, UPDATE},
    {"help", no_argument, NULL, 'h'},
    {0},
};

// Digits only: strtoul would take signs and spaces too.
static bool take_number(const char **text, uint64_t max, uint64_t *number)
{
    const char *at = *text;
    *number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (*number > (max - (uint64_t)(*at - '0')) / 10)
            return false;
        *number = *number * 10 + (uint64_t)(*at - '0');
    }
    bool some = at > *text;
    *text = at;
    return some;
}

// As QEMU has it: a number is MiB unless a letter says otherwise.
static int take_memory(struct run_options *o, const char *text)
{
    static const char letters[] = "MGT";
    const char *at = text;
    uint64_t number, max = UINT64_C(1) << 40;
    bool good = take_number(&at, max, &number);
    const char *letter = *at ? strchr(letters, *at & ~0x20) : letters;
    if (good && letter && (!*at || !at[1]) && number <= max >> (20 + 10 * (letter - letters)))
        o->memory_bytes = number << (20 + 10 * (letter - letters));
    if (o->memory_bytes < 16 << 20)
        return konuk_misuse("run", _("--memory %s: a size from 16M to 1T, such as 512M or 2G, is wanted"), text);
    return KONUK_GOOD;
}

static int take_cpus(struct run_options *o, const char *text)
{
    const char *at = text;
    uint64_t number;
    if (!take_number(&at, 255, &number) || *at || number == 0)
        return konuk_misuse("run", _("--cpus %s: a number from 1 to 255 is wanted"), text);
    o->vcpus = (unsigned)number;
    return KONUK_GOOD;
}

static int take_disk(struct run_options *o, const char *path)
{
    if (o->disks == RUN_DISKS)
        return konuk_misuse("run", _("%s: %d at most"), "--disk", RUN_DISKS);
    o->disk[o->disks++] = path;
    return KONUK_GOOD;
}

// [ADDRESS:]PORT:PORT[/udp]
static bool parse_port(struct run_port *port, const char *text)
{
    uint64_t host, guest;
    const char *first = strchr(text, ':'), *second = first ? strchr(first + 1, ':') : NULL;
    snprintf(port->address, sizeof port->address, "127.0.0.1");
    if (second) {
        struct in_addr address;
        snprintf(port->address, sizeof port->address, "%.*s", (int)(first - text), text);
        if (inet_pton(AF_INET, port->address, &address) != 1)
            return false;
        text = first + 1;
    }
    if (!take_number(&text, 65535, &host) || *text++ != ':' || !take_number(&text, 65535, &guest))
        return false;
    port->udp = !strcmp(text, "/udp");
    port->host = (unsigned)host;
    port->guest = (unsigned)guest;
    return host && guest && (port->udp || !*text || !strcmp(text, "/tcp"));
}

static int take_port(struct run_options *o, const char *text)
{
    if (o->ports == RUN_PORTS)
        return konuk_misuse("run", _("%s: %d at most"), "--publish", RUN_PORTS);
    if (!parse_port(&o->port[o->ports], text))
        return konuk_misuse("run", _("--publish %s: [ADDRESS:]PORT:GUEST-PORT[/udp] is wanted, such as 2222:22"),
                            text);
    o->ports++;
    return KONUK_GOOD;
}

static int take_engine(struct run_options *o, const char *text)
{
    static const char *const names[] = {"auto", "konuk", "kvm"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(text, names[i])) {
            o->engine = (enum run_engine)i;
            return KONUK_GOOD;
        }
    return konuk_misuse("run", _("--engine %s: the engines are auto, konuk and kvm"), text);
}

static int take(struct run_options *o, int option)
{
    switch (option) {
    case 'm': return take_memory(o, optarg);
    case 'c': return take_cpus(o, optarg);
    case 'd': return take_disk(o, optarg);
    case 'p': return take_port(o, optarg);
    case ENGINE: return take_engine(o, optarg);
    case 'n': o->name = optarg; break;
    case KERNEL: o->kernel = optarg; break;
    case INITRD: o->initrd = optarg; break;
    case APPEND: o->append = optarg; break;
    case NO_NETWORK: o->no_network = true; break;
    case DRY_RUN: o->dry_run = true; break;
    case FRESH: o->fresh = true; break;
    case UPDATE: o->update = true; break;
    case 'h': o->help = true; break;
    }
    return KONUK_GOOD;
}

static int refuse(char **argv, int option)
{
    char letter[3] = {'-', (char)optopt, 0};
    bool is_short = optopt > 0 && optopt < 256 && argv[optind - 1][1] != '-';
    const char *name = is_short ? letter : argv[optind - 1];
    return konuk_misuse("run", option == ':' ? _("%s: a value is missing") : _("%s: no such option"), name);
}

// What can't both be meant.
static int check(const struct run_options *o)
{
    if (!o->guest && !o->kernel)
        return konuk_misuse("run", _("what shall run? debian, a kernel or a disk image"));
    if (o->no_network && o->ports)
        return konuk_misuse("run", _("--publish needs the network that --no-network leaves out"));
    if (o->initrd && !*o->initrd)
        return konuk_misuse("run", _("%s: a value is missing"), "--initrd");
    return KONUK_GOOD;
}

int run_options_parse(struct run_options *o, int argc, char **argv)
{
    int option, status = KONUK_GOOD, words = 1;
    *o = (struct run_options){0};
    while (words < argc && strcmp(argv[words], "--"))
        words++;
    o->more = argv + words + (words < argc);
    optind = 1;
    opterr = 0;
    while (status == KONUK_GOOD && (option = getopt_long(words, argv, ":m:c:d:p:n:h", long_options, NULL)) != -1)
        status = option == '?' || option == ':' ? refuse(argv, option) : take(o, option);
    if (status != KONUK_GOOD || o->help)
        return status;
    if (optind < words)
        o->guest = argv[optind++];
    if (optind < words)
        return konuk_misuse("run", _("%s: too many arguments"), argv[optind]);
    return check(o);
}
