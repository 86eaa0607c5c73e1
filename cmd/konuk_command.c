// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd/konuk_command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/konuk.h"

static void *or_die(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void add(struct command *c, const char *word)
{
    c->word = or_die(realloc(c->word, (c->words + 2) * sizeof *c->word));
    c->word[c->words++] = or_die(strdup(word));
    c->word[c->words] = NULL;
}

static void add_two(struct command *c, const char *option, const char *value)
{
    add(c, option);
    add(c, value);
}

__attribute__((format(printf, 3, 4)))
static void add_format(struct command *c, const char *option, const char *format, ...)
{
    char *value;
    va_list args;
    va_start(args, format);
    if (vasprintf(&value, format, args) < 0)
        abort();
    va_end(args);
    add_two(c, option, value);
    free(value);
}

// Inside a list of QEMU's, a comma of a value is written twice.
static char *double_commas(const char *value)
{
    char *out = or_die(malloc(2 * strlen(value) + 1)), *to = out;
    for (; *value; *to++ = *value++)
        if (*value == ',')
            *to++ = ',';
    *to = 0;
    return out;
}

static void add_disk(struct command *c, const char *path)
{
    char *file = double_commas(path);
    add_format(c, "-drive", "file=%s,format=raw,if=virtio,discard=unmap", file);
    free(file);
}

static void add_network(struct command *c, const struct run_options *o)
{
    char *value = or_die(strdup("user,model=virtio-net-pci"));
    for (unsigned i = 0; i < o->ports; i++) {
        const struct run_port *p = &o->port[i];
        char *longer;
        if (asprintf(&longer, "%s,hostfwd=%s:%s:%u-:%u", value, p->udp ? "udp" : "tcp", p->address,
                     p->host, p->guest) < 0)
            abort();
        free(value);
        value = longer;
    }
    add_two(c, "-nic", o->no_network ? "none" : value);
    free(value);
}

static void add_machine(struct command *c, const struct guest *g, const struct run_options *o, bool kvm)
{
    char *name = double_commas(o->name ? o->name : g->title);
    add_two(c, "-name", name);
    free(name);
    add_two(c, "-machine", "q35");
    if (kvm)
        add_two(c, "-accel", "kvm");
    if (o->engine != RUN_ENGINE_KVM)
        add_two(c, "-accel", "tcg");
    add_format(c, "-m", "%lluM", (unsigned long long)(o->memory_bytes >> 20));
    add_format(c, "-smp", "%u", o->vcpus);
}

void command_build(struct command *c, const char *vmm, const struct guest *g,
                   const struct run_options *o, bool kvm)
{
    *c = (struct command){0};
    add(c, vmm);
    add_machine(c, g, o, kvm);
    add_two(c, "-kernel", g->kernel);
    if (*g->initrd)
        add_two(c, "-initrd", g->initrd);
    add_two(c, "-append", g->append);
    if (*g->disk)
        add_disk(c, g->disk);
    for (unsigned i = 0; i < o->disks; i++)
        add_disk(c, o->disk[i]);
    add_network(c, o);
    add_two(c, "-device", "virtio-rng-pci");
    add(c, "-nographic");
    for (char **word = o->more; *word; word++)
        add(c, *word);
}

static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@%";
    if (*word && word[strspn(word, plain)] == 0) {
        fputs(word, stdout);
        return;
    }
    putchar('\'');
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*word);
    putchar('\'');
}

void command_print(const struct command *c)
{
    for (unsigned i = 0; i < c->words; i++) {
        if (i)
            putchar(' ');
        print_word(c->word[i]);
    }
    putchar('\n');
}

void command_finish(struct command *c)
{
    for (unsigned i = 0; i < c->words; i++)
        free(c->word[i]);
    free(c->word);
    *c = (struct command){0};
}
