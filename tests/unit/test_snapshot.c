// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/bits.h"
#include "guest/device/uart16550.h"
#include "guest/migrate/snapshot.h"

enum { VCPUS = 2, RAM_BYTES = 64 << 20 };

// A machine of two vCPUs, memory, a clock and a serial port.
struct machine {
    struct irq_line irq;
    bool level;
    struct uart16550 uart;
    struct ram ram;
    struct x86_state vcpu[VCPUS];
    struct x86_state *vcpus[VCPUS];
    struct x86_model model;
    struct snapshot_device devices[1];
    struct snapshot_parts parts;
};

static struct machine *from, *to;
static char folder[64], path[96];
static struct err err;

static void machine_irq(struct irq_line *line, bool level)
{
    container_of(line, struct machine, irq)->level = level;
}

static void all_features(struct x86_model *model)
{
    *model = (struct x86_model){
        .name = "max", .vendor = "GenuineIntel", .family = 6, .model = 60, .xcr0 = 7, .physical_bits = 40,
        .linear_bits = 48, .sockets = 1, .cores = VCPUS, .threads = 1, .tsc_hz = 2000000000,
    };
    memset(model->words, 0xff, sizeof model->words);
}

static struct machine *machine_create(void)
{
    struct machine *m = aligned_alloc(64, align_up(sizeof *m, 64));
    memset(m, 0, sizeof *m);
    m->irq.set = machine_irq;
    all_features(&m->model);
    assert_int_equal(ram_open(&m->ram, RAM_BYTES, &err), 0);
    uart16550_init(&m->uart, &m->irq, NULL);
    for (unsigned i = 0; i < VCPUS; i++) {
        x86_reset(&m->vcpu[i], i, false);
        m->vcpu[i].apic.id = i;
        m->vcpus[i] = &m->vcpu[i];
    }
    m->devices[0] = (struct snapshot_device){"isa-serial@3f8", &m->uart.dev};
    m->parts = (struct snapshot_parts){"pc-q35-7.2", &m->model, &m->ram, clock_create_manual(), m->vcpus,
                                       VCPUS, m->devices, 1, 0, 0};
    return m;
}

static void machine_destroy(struct machine *m)
{
    uart16550_finish(&m->uart);
    clock_destroy(m->parts.clock);
    ram_close(&m->ram);
    free(m);
}

static int setup(void **state)
{
    (void)state;
    err = (struct err){0};
    strcpy(folder, "/tmp/snapshot.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/guest", folder);
    from = machine_create();
    to = machine_create();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_destroy(from);
    machine_destroy(to);
    unlink(path);
    return rmdir(folder);
}

static void save(void)
{
    if (snapshot_save(path, &from->parts, &err) < 0)
        fail_msg("%s", err.text);
}

static void load(void)
{
    if (snapshot_load(path, &to->parts, &err) < 0)
        fail_msg("%s", err.text);
}

static void refused(const char *sentence)
{
    assert_int_equal(snapshot_load(path, &to->parts, &err), -EINVAL);
    if (!strstr(err.text, sentence))
        fail_msg("\"%s\" doesn't say \"%s\"", err.text, sentence);
}

static void alter(off_t at)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static off_t file_bytes(void)
{
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    return s.st_size;
}

static uint64_t resident_bytes(const struct ram *ram)
{
    struct stat s;
    assert_int_equal(fstat(ram->fd, &s), 0);
    return (uint64_t)s.st_blocks * 512;
}

static void a_machine_continues_in_another(void **state)
{
    (void)state;
    from->uart.dev.ops->write(&from->uart.dev, 4, 0x08, 1);
    from->uart.dev.ops->write(&from->uart.dev, 1, 0x02, 1);
    from->uart.scr = 0x5a;
    from->vcpu[1].gpr[X86_R15] = 0x1234;
    from->vcpu[1].run_state = X86_HALTED;
    memset(from->vcpu[0].xsave, 0x5a, 16);
    clock_advance(from->parts.clock, 123456789);
    memset(from->ram.host + 0x5000, 0x77, 3 * PAGE_BYTES);
    from->ram.host[RAM_BYTES - 1] = 9;
    to->ram.host[0x100000] = 1;  // was zero over there
    from->parts.run_state = 3;
    save();
    load();
    assert_int_equal(to->parts.run_state, 3);
    assert_memory_equal(from->ram.host, to->ram.host, RAM_BYTES);
    assert_int_equal(to->vcpu[1].gpr[X86_R15], 0x1234);
    assert_int_equal(to->vcpu[1].run_state, X86_HALTED);
    assert_int_equal(to->vcpu[0].xsave[15], 0x5a);
    assert_int_equal(clock_now_ns(to->parts.clock), 123456789);
    assert_int_equal(to->uart.scr, 0x5a);
    assert_false(to->level);  // nothing is driven yet
    snapshot_started(&to->parts);
    assert_true(to->level);
}

static void guest_tsc_goes_on_where_it_stood(void **state)
{
    (void)state;
    from->parts.paused_tsc = __rdtsc() - 5000000000;  // a host that was up for longer, or shorter
    from->vcpu[0].tsc_offset = 1000 - from->parts.paused_tsc;
    from->vcpu[1].tsc_offset = 1007 - from->parts.paused_tsc;
    save();
    load();
    assert_int_equal(to->parts.paused_tsc + to->vcpu[0].tsc_offset, 1000);
    assert_int_equal(to->parts.paused_tsc + to->vcpu[1].tsc_offset, 1007);
}

static void unused_memory_costs_neither_file_nor_memory(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < RAM_BYTES; at += 16 << 20)
        from->ram.host[at] = 1;
    uint64_t before = resident_bytes(&from->ram);
    save();
    assert_int_equal(resident_bytes(&from->ram), before);
    assert_true(file_bytes() < 64 << 10);
    load();
    assert_true(resident_bytes(&to->ram) <= before);
}

// Long runs, single pages, and the first and last page.
static void every_pattern_of_pages_arrives(void **state)
{
    (void)state;
    srand(1);
    for (uint64_t page = 0; page < RAM_BYTES / PAGE_BYTES; page++)
        if (page / 700 % 2 || rand() % 4 == 0 || page == 0)
            from->ram.host[page * PAGE_BYTES + rand() % PAGE_BYTES] = 1 + rand() % 255;
    memset(from->ram.host + RAM_BYTES - PAGE_BYTES, 3, PAGE_BYTES);
    save();
    load();
    assert_memory_equal(from->ram.host, to->ram.host, RAM_BYTES);
}

static void an_altered_file_is_refused(void **state)
{
    (void)state;
    memset(from->ram.host + 0x5000, 0x77, 3 * PAGE_BYTES);
    save();
    alter(file_bytes() - 8000);
    refused("section ram of the snapshot is damaged: its checksum is wrong");
    assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
    save();
    for (off_t at = 0; at < file_bytes(); at += 97) {
        alter(at);
        refused("");
        alter(at);
    }
    load();
}

static void a_cut_file_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    from->ram.host[0] = 1;
    save();
    for (off_t bytes = file_bytes() - 1; bytes > 0; bytes -= 61) {
        assert_int_equal(truncate(path, bytes), 0);
        refused("the snapshot ends too early; it was cut off");
    }
}

static void what_is_no_snapshot_is_refused(void **state)
{
    (void)state;
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "#!/bin/sh\necho this is not one\n", 31), 31);
    close(fd);
    refused("this is not a Konuk snapshot");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(snapshot_load(path, &to->parts, &err), -ENOENT);
    assert_non_null(strstr(err.text, "No such file or directory"));
}

static void another_machine_is_refused_before_anything_changes(void **state)
{
    (void)state;
    save();
    to->uart.scr = 0x11;
    to->parts.machine = "microvm";
    refused("another machine: its machine is pc-q35-7.2, here it is microvm");
    to->parts.machine = from->parts.machine;
    to->parts.vcpu_count = 1;
    refused("its vcpus is 2, here it is 1");
    to->parts.vcpu_count = 2;
    to->model.words[X86_7_EBX] &= ~BIT(5);
    refused("its words is 0xffffffff, here it is 0xffffffdf");
    all_features(&to->model);
    strcpy(to->model.name, "qemu64");
    refused("its cpu is max, here it is qemu64");
    all_features(&to->model);
    to->model.tsc_hz = 2100000000;
    refused("its tsc_hz is 2000000000, here it is 2100000000");
    assert_int_equal(to->uart.scr, 0x11);
    to->model.tsc_hz = 2000001000;
    load();
}

static void devices_must_be_the_same(void **state)
{
    (void)state;
    save();
    to->devices[0].name = "isa-serial@2f8";
    refused("the snapshot has a section isa-serial@3f8, which this machine doesn't");
    to->devices[0].name = from->devices[0].name;
    from->parts.device_count = 0;
    save();
    refused("the snapshot has no section isa-serial@3f8");
}

static void a_device_refuses_what_it_can_not_hold(void **state)
{
    (void)state;
    from->uart.fifo_head = 200;
    save();
    refused("isa-serial@3f8: ");
}

static void forged(size_t offset, uint64_t value, unsigned size_bytes, const char *sentence)
{
    struct x86_state good = from->vcpu[1];
    memcpy((uint8_t *)&from->vcpu[1] + offset, &value, size_bytes);
    save();
    refused(sentence);
    assert_non_null(strstr(err.text, "vcpu/1: "));
    from->vcpu[1] = good;
}
#define FORGED(member, value, sentence)                                                       \
    forged(offsetof(struct x86_state, member), value, sizeof from->vcpu[1].member, sentence)

static void a_forged_vcpu_is_refused(void **state)
{
    (void)state;
    FORGED(cr0, UINT64_C(1) << 32 | CR0_ET, "cr0 is 0x100000010");
    FORGED(cr0, CR0_PG, "cr0 is");
    FORGED(cr4, BIT(23), "cr4 is");
    FORGED(cr4, CR4_PCIDE, "cr4 is");
    FORGED(cr3, BIT(40), "cr3 is");
    FORGED(efer, EFER_LMA, "efer is");
    FORGED(efer, BIT(12), "efer is");
    FORGED(rflags, 0, "rflags is");
    FORGED(rflags, FL_FIXED | BIT(15), "rflags is");
    FORGED(rflags, FL_FIXED | FL_VM, "rflags is");
    FORGED(rip, BIT(32), "rip is");
    FORGED(lstar, BIT(47), "lstar is");
    FORGED(seg[X86_GS].base, BIT(63), "seg[X86_GS].base is");
    FORGED(seg[X86_DS].base, BIT(32), "seg[X86_DS].base is");
    FORGED(seg[X86_ES].attr, 0x0f93, "seg[X86_ES].attr is");
    FORGED(gdtr.limit, 0x10000, "gdtr.limit is");
    FORGED(cpl, 3, "cpl is");
    FORGED(cpl, 200, "cpl is");
    FORGED(run_state, 3, "run_state is");
    FORGED(event_pending, 2, "event_pending is");
    FORGED(xcr0, 6, "xcr0 is");
    FORGED(xcr0, 5, "xcr0 is");
    FORGED(xcr0, 0xe7, "xcr0 is");
    FORGED(xsave[24 + 3], 0x80, "mxcsr is");
    FORGED(xsave[512], 0x08, "xsave's XSTATE_BV is");
    FORGED(xsave[520 + 7], 0x80, "xsave's header is");
    FORGED(pat, 2, "pat is");
    FORGED(dr7, BIT(32), "dr7 is");
    FORGED(apic.id, 0, "apic.id is");
    FORGED(apic.base, 0xfee00500, "apic.base is");
}

static void reset_states_and_long_mode_are_possible(void **state)
{
    (void)state;
    struct x86_state *s = &from->vcpu[0];
    save();
    load();
    s->cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP;
    s->cr4 = CR4_PAE | CR4_PCIDE | CR4_OSFXSR | CR4_OSXSAVE;
    s->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    s->seg[X86_CS] = (struct x86_segment){0, UINT32_MAX, 0x33, 0xa0fb};
    s->seg[X86_SS] = (struct x86_segment){0, UINT32_MAX, 0x2b, 0xc0f3};
    s->cpl = 3;
    s->rip = 0x7fffffffe000;
    s->kernel_gs_base = UINT64_C(0xffff888000000000);
    s->xcr0 = 7;
    s->xsave[512] = 7;
    save();
    load();
    assert_int_equal(to->vcpu[0].rip, 0x7fffffffe000);
}

static unsigned files_in_folder(void)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void a_failed_save_leaves_the_old_file_and_nothing_else(void **state)
{
    (void)state;
    from->uart.scr = 1;
    save();
    off_t before = file_bytes();
    memset(from->ram.host, 1, RAM_BYTES);
    int null = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(snapshot_save_fd(null, &from->parts, &err), -ENOSPC);
    close(null);
    assert_int_equal(snapshot_save("/dev/full", &from->parts, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "/dev/full: "));
    assert_int_equal(snapshot_save("/nonexistent/guest", &from->parts, &err), -ENOENT);
    assert_int_equal(file_bytes(), before);
    assert_int_equal(files_in_folder(), 1);
    load();
    assert_int_equal(to->uart.scr, 1);
}

static void only_its_owner_may_read_a_snapshot(void **state)
{
    (void)state;
    struct stat s;
    save();
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
}

static void *save_into_pipe(void *fd)
{
    assert_int_equal(snapshot_save_fd(*(int *)fd, &from->parts, NULL), 0);
    close(*(int *)fd);
    return NULL;
}

static void a_pipe_will_do(void **state)
{
    (void)state;
    int ends[2];
    pthread_t thread;
    memset(from->ram.host + 0x200000, 5, 3 << 20);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pthread_create(&thread, NULL, save_into_pipe, &ends[1]);
    if (snapshot_load_fd(ends[0], &to->parts, &err) < 0)
        fail_msg("%s", err.text);
    pthread_join(thread, NULL);
    close(ends[0]);
    assert_memory_equal(from->ram.host, to->ram.host, RAM_BYTES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_machine_continues_in_another),
        TEST(guest_tsc_goes_on_where_it_stood),
        TEST(unused_memory_costs_neither_file_nor_memory),
        TEST(every_pattern_of_pages_arrives),
        TEST(an_altered_file_is_refused),
        TEST(a_cut_file_is_refused_wherever_it_is_cut),
        TEST(what_is_no_snapshot_is_refused),
        TEST(another_machine_is_refused_before_anything_changes),
        TEST(devices_must_be_the_same),
        TEST(a_device_refuses_what_it_can_not_hold),
        TEST(a_forged_vcpu_is_refused),
        TEST(reset_states_and_long_mode_are_possible),
        TEST(a_failed_save_leaves_the_old_file_and_nothing_else),
        TEST(only_its_owner_may_read_a_snapshot),
        TEST(a_pipe_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
