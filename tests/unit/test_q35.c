// SPDX-License-Identifier: GPL-2.0-or-later
//
// The machine on an engine that runs no code: its vCPUs sleep until they are kicked.
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/loop.h"
#include "guest/cpu/x86/cpuid.h"
#include "guest/machine/q35.h"

enum { VCPUS = 2 };

struct idle_vcpu {
    struct vcpu vcpu;
    struct x86_state state;
    atomic_int kicked, put, next_exit;
};
static struct idle_vcpu *vcpus[VCPUS];
static struct engine engine;
static atomic_int intr, messages;
static uint64_t message_address;
static struct x86_model model = {.name = "idle", .physical_bits = 40, .linear_bits = 48};

static struct idle_vcpu *to_idle(struct vcpu *vcpu) { return (struct idle_vcpu *)vcpu; }

static enum vcpu_exit idle_run(struct vcpu *vcpu)
{
    struct idle_vcpu *v = to_idle(vcpu);
    mem_thread_offline();
    while (!atomic_load(&v->kicked))
        usleep(200);
    mem_thread_online();
    atomic_store(&v->kicked, 0);
    return atomic_exchange(&v->next_exit, VCPU_EXIT_KICKED);
}
static void idle_kick(struct vcpu *vcpu) { atomic_store(&to_idle(vcpu)->kicked, 1); }
static void idle_get(struct vcpu *vcpu) { (void)vcpu; }
static void idle_put(struct vcpu *vcpu) { atomic_fetch_add(&to_idle(vcpu)->put, 1); }
static void idle_debug(struct vcpu *vcpu, const struct vcpu_debug *d) { (void)vcpu, (void)d; }
static void idle_nmi(struct vcpu *vcpu) { to_idle(vcpu)->state.nmi_pending = 1; }
static void idle_destroy(struct vcpu *vcpu) { free(vcpu); }
static void idle_reset(struct vcpu *vcpu) { x86_reset(&to_idle(vcpu)->state, vcpu->index, false); }
static const struct vcpu_ops vcpu_ops = {idle_run, idle_kick, idle_get, idle_put, idle_debug, idle_nmi,
                                         idle_destroy, idle_reset};

static struct vcpu *idle_create(struct engine *e, unsigned index, struct err *err)
{
    (void)err;
    struct idle_vcpu *v = aligned_alloc(64, sizeof *v + 64 - sizeof *v % 64);
    memset(v, 0, sizeof *v);
    v->vcpu = (struct vcpu){.ops = &vcpu_ops, .engine = e, .state = &v->state, .index = index};
    return &(vcpus[index] = v)->vcpu;
}
static void idle_msi(struct engine *e, uint64_t address, uint32_t data)
{
    (void)e, (void)data;
    message_address = address;
    atomic_fetch_add(&messages, 1);
}
static void idle_intr(struct engine *e, bool level) { (void)e; atomic_store(&intr, level); }
static void idle_end(struct engine *e) { (void)e; }
static const struct engine_ops engine_ops = {"idle", idle_create, idle_msi, idle_intr, NULL, NULL, idle_end};

static struct engine *make_engine(struct engine_config *config, void *opaque, struct err *err)
{
    (void)opaque, (void)err;
    config->model = &model;
    engine = (struct engine){&engine_ops, *config};
    return &engine;
}

static struct q35 *machine;
static struct vm *vm;
static char told[512];

static void tell(struct vm_listener *listener, const struct vm_event *event)
{
    static const char *const names[] = {"stop", "resume", "reset", "powerdown", "shutdown", "migration",
                                        "panicked", "crashloaded", "io-error"};
    (void)listener;
    size_t used = strlen(told);
    snprintf(told + used, sizeof told - used, "%s%s%s ", names[event->kind], event->reason ? ":" : "",
             event->reason ? event->reason : "");
}
static struct vm_listener listener;

static struct q35_config config_of(uint64_t ram_bytes)
{
    return (struct q35_config){.name = "pc-q35-7.2", .ram_bytes = ram_bytes, .vcpus = VCPUS, .hpet = true,
                               .serial = {{true, NULL}}, .debug_exit = true, .debug_exit_base = 0x501,
                               .debug_exit_bytes = 2, .create_engine = make_engine};
}

static int set_up_with(struct q35_config config)
{
    struct err err = {0};
    mem_thread_online();
    told[0] = 0;
    machine = q35_create(&config, &err);
    if (!machine)
        return -1;
    assert_int_equal(q35_power_up(machine, &err), 0);
    vm = q35_vm(machine);
    listener = (struct vm_listener){.event = tell};
    vm_listen(vm, &listener);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return set_up_with(config_of(64 << 20));
}

static int teardown(void **state)
{
    (void)state;
    q35_destroy(machine);
    mem_thread_offline();
    return 0;
}

static void out8(uint16_t port, uint8_t value) { mem_write(q35_ports(machine), GPA(port), value, 1); }
static uint8_t in8(uint16_t port) { return mem_read(q35_ports(machine), GPA(port), 1); }

static void turn_loop(int times)
{
    for (int i = 0; i < times; i++) {
        uv_run(loop(), UV_RUN_NOWAIT);
        usleep(1000);
    }
}

// Lets what vCPUs and devices have posted happen: until this is so (or ten seconds have passed), and then
// whatever else there may be.
#define RUN_LOOP_UNTIL(condition)                                                                     \
    do {                                                                                              \
        for (int turns = 0; turns < 10000 && !(condition); turns++)                                   \
            turn_loop(1);                                                                             \
        turn_loop(5);                                                                                 \
        assert_true(condition);                                                                       \
    } while (0)

static void assert_told(const char *words)
{
    for (int turns = 0; turns < 10000 && strlen(told) < strlen(words); turns++)
        turn_loop(1);
    turn_loop(5);
    assert_string_equal(told, words);
}

static void runs_pauses_and_tells(void **state)
{
    (void)state;
    assert_int_equal(vm->state, VM_PRELAUNCH);
    assert_int_equal(vm_cont(vm, NULL), 0);
    assert_int_equal(vm_cont(vm, NULL), 0);
    vm_stop(vm, VM_PAUSED);
    vm_stop(vm, VM_PAUSED);
    assert_string_equal(told, "resume stop ");
    assert_string_equal(vm_state_name(vm->state), "paused");
    assert_true(vcpu_is_paused(vm->vcpu[0]) && vcpu_is_paused(vm->vcpu[1]));
}

static void guest_time_and_tsc_stand_still_in_a_pause(void **state)
{
    (void)state;
    vm_cont(vm, NULL);
    vm_stop(vm, VM_PAUSED);
    uint64_t tsc = vm->paused_tsc + vcpus[0]->state.tsc_offset, now = clock_now_ns(vm->clock);
    assert_true(tsc < 1ull << 40);
    uint64_t before = __rdtsc();
    usleep(200000);
    uint64_t slept = __rdtsc() - before;
    assert_int_equal(clock_now_ns(vm->clock), now);
    vm_cont(vm, NULL);
    vm_stop(vm, VM_PAUSED);
    uint64_t later = vm->paused_tsc + vcpus[0]->state.tsc_offset;
    assert_true(later > tsc && later - tsc < slept / 2);
    assert_int_equal(vcpus[0]->state.tsc_offset, vcpus[1]->state.tsc_offset);
}

static void the_guest_resets_by_port(void **state)
{
    (void)state;
    vm_cont(vm, NULL);
    vcpus[0]->state.gpr[X86_RAX] = 7;
    out8(0x3ff, 0x5a);
    out8(0xcf9, 0x02);
    out8(0xcf9, 0x06);
    assert_told("resume reset:guest-reset ");
    assert_int_equal(vm->state, VM_RUNNING);
    assert_int_equal(vcpus[0]->state.rip, 0xfff0);
    assert_int_equal(vcpus[0]->state.gpr[X86_RAX], 0);
    assert_int_equal(vcpus[1]->state.run_state, X86_WAIT_SIPI);
    assert_int_equal(in8(0x3ff), 0);
}

static void a_reset_while_paused_stays_paused(void **state)
{
    (void)state;
    vm_cont(vm, NULL);
    vm_stop(vm, VM_PAUSED);
    vm_reset(vm, false, "host-qmp-system-reset");
    assert_string_equal(vm_state_name(vm->state), "prelaunch");
}

static void without_reboot_a_reset_ends(void **state)
{
    (void)state;
    vm->config.reboot_ends = true;
    vm_cont(vm, NULL);
    atomic_store(&vcpus[0]->next_exit, VCPU_EXIT_SHUTDOWN);
    idle_kick(&vcpus[0]->vcpu);
    assert_told("resume shutdown:guest-reset ");
    assert_true(vm->ending);
    assert_int_equal(vm->exit_status, 0);
}

static void s5_switches_off(void **state)
{
    (void)state;
    vm_cont(vm, NULL);
    out8(0xb2, 2);
    mem_write(q35_ports(machine), GPA(0x604), 1 << 13 | 1, 2);
    assert_told("resume shutdown:guest-shutdown ");
    assert_true(vm->ending);
}

static void no_shutdown_pauses_and_wants_a_reset(void **state)
{
    struct err err = {0};
    (void)state;
    vm->config.shutdown_pauses = true;
    vm_cont(vm, NULL);
    vm_shutdown(vm, true, "guest-shutdown");
    assert_string_equal(told, "resume shutdown:guest-shutdown stop ");
    assert_int_equal(vm->state, VM_SHUTDOWN);
    assert_int_equal(vm_cont(vm, &err), -EINVAL);
    assert_string_equal(err.text, "Resetting the Virtual Machine is required");
    vm_reset(vm, false, "host-qmp-system-reset");
    assert_int_equal(vm_cont(vm, NULL), 0);
    vm_shutdown(vm, false, "host-qmp-quit");
    assert_true(vm->ending);
}

static void debug_exit_gives_the_status(void **state)
{
    (void)state;
    vm_cont(vm, NULL);
    out8(0x501, 0x10);
    RUN_LOOP_UNTIL(vm->ending);
    assert_int_equal(vm->exit_status, 0x21);
}

static void an_engine_that_fails_stops_the_machine(void **state)
{
    (void)state;
    vm_cont(vm, NULL);
    atomic_store(&vcpus[1]->next_exit, VCPU_EXIT_ERROR);
    idle_kick(&vcpus[1]->vcpu);
    RUN_LOOP_UNTIL(vm->state == VM_INTERNAL_ERROR);
    assert_string_equal(vm_state_name(vm->state), "internal-error");
    vm_stop(vm, VM_PAUSED);
    assert_string_equal(vm_state_name(vm->state), "internal-error");
}

static void an_isa_interrupt_reaches_both_controllers(void **state)
{
    (void)state;
    out8(0x20, 0x11); out8(0x21, 0x30); out8(0x21, 4); out8(0x21, 1);
    out8(0x21, 0xef);  // all but IRQ 4 masked
    int before = atomic_load(&messages);
    mem_write(q35_memory(machine), GPA(0xfec00000), 0x10 + 2 * 4, 4);
    mem_write(q35_memory(machine), GPA(0xfec00010), 0x41, 4);
    out8(0x3fc, 0x08);
    out8(0x3f9, 0x02);
    assert_int_equal(atomic_load(&intr), 1);
    assert_int_equal(atomic_load(&messages), before + 1);
    assert_int_equal(message_address & 0xfff00000, 0xfee00000);
    assert_int_equal(engine.config.pic_acknowledge(engine.config.opaque), 0x34);
}

static void the_power_button_is_an_event(void **state)
{
    (void)state;
    out8(0xb2, 2);
    mem_write(q35_ports(machine), GPA(0x602), 0x100, 2);
    vm_powerdown(vm);
    assert_int_equal(mem_read(q35_ports(machine), GPA(0x600), 2) & 0x100, 0x100);
    assert_string_equal(told, "powerdown ");
}

static void what_is_not_there_reads_all_ones(void **state)
{
    (void)state;
    assert_int_equal(in8(0x60), 0xff);
    assert_int_equal(in8(0x2f8), 0xff);
    assert_int_equal(mem_read(q35_memory(machine), GPA(0xa0000), 4), 0xffffffff);
    assert_int_equal(mem_read(q35_memory(machine), GPA(64 << 20), 4), 0xffffffff);
    assert_int_equal(mem_read(q35_memory(machine), GPA(0xc0000), 4), 0);
}

static void large_memory_goes_on_at_4_gib(void **state)
{
    (void)state;
    assert_int_equal(set_up_with(config_of(0xb0000000)), 0);
    struct mem *memory = q35_memory(machine);
    assert_non_null(mem_ram_at(memory, GPA(0x7ffff000), 4096, true));
    assert_null(mem_ram_at(memory, GPA(0x80000000), 1, true));
    assert_non_null(mem_ram_at(memory, GPA((4ull << 30) + 0x2ffff000), 4096, true));
    assert_null(mem_ram_at(memory, GPA((4ull << 30) + 0x30000000), 1, true));
    teardown(state);
    assert_int_equal(set_up_with(config_of(0xaffff000)), 0);
    assert_non_null(mem_ram_at(q35_memory(machine), GPA(0xafffe000), 4096, true));
    teardown(state);
    assert_int_equal(set_up_with(config_of(1ull << 50)), -1);
    mem_thread_offline();
}

// In another machine.
static void load(const char *uri, void **state)
{
    struct err err = {0};
    teardown(state);
    setup(state);
    vm->state = VM_INMIGRATE;
    vm_cont(vm, NULL);
    assert_int_equal(vm_migrate_incoming(vm, uri, &err), 0);
}

static void a_snapshot_continues_in_another_machine(void **state)
{
    char path[] = "/tmp/konuk-q35-XXXXXX", uri[64];
    struct err err = {0};
    close(mkstemp(path));
    snprintf(uri, sizeof uri, "file:%s", path);
    out8(0x3ff, 0x77);
    vcpus[1]->state.gpr[X86_RBX] = 0x1234;
    vm_cont(vm, NULL);
    assert_int_equal(vm_migrate(vm, uri, &err), 0);
    assert_string_equal(vm_state_name(vm->state), "postmigrate");
    uint64_t tsc = vm->paused_tsc + vcpus[0]->state.tsc_offset;
    load(uri, state);
    assert_int_equal(vm->state, VM_RUNNING);
    vm_stop(vm, VM_PAUSED);
    assert_int_equal(in8(0x3ff), 0x77);
    assert_int_equal(vcpus[1]->state.gpr[X86_RBX], 0x1234);
    uint64_t later = vm->paused_tsc + vcpus[0]->state.tsc_offset;
    assert_true(later >= tsc && later - tsc < 1ull << 32);
    assert_int_equal(vm_migrate_incoming(vm, uri, &err), -EINVAL);
    unlink(path);
}

static void a_stopped_guest_is_stopped_in_another_machine(void **state)
{
    char path[] = "/tmp/konuk-q35-XXXXXX", uri[64];
    close(mkstemp(path));
    snprintf(uri, sizeof uri, "file:%s", path);
    vm_cont(vm, NULL);
    vm_stop(vm, VM_IO_ERROR);
    assert_int_equal(vm_migrate(vm, uri, NULL), 0);
    load(uri, state);
    assert_string_equal(vm_state_name(vm->state), "io-error");
    assert_int_equal(vm_cont(vm, NULL), 0);
    assert_int_equal(vm->state, VM_RUNNING);
    unlink(path);
}

static void a_snapshot_that_fails_leaves_the_guest_running(void **state)
{
    struct err err = {0};
    (void)state;
    vm_cont(vm, NULL);
    assert_true(vm_migrate(vm, "file:/nowhere/at/all", &err) < 0);
    assert_int_equal(vm->state, VM_RUNNING);
    assert_string_equal(vm->migration.status, "failed");
    assert_int_equal(vm_migrate(vm, "tcp:x", &err), -EINVAL);
    vm_stop(vm, VM_PAUSED);
}

// A device with work of its own, which must stand still whenever the machine does.
struct worker {
    struct device dev;
    bool quiesced;
    unsigned resets, resumes, finished;
};
static struct worker worker;

static void worker_reset(struct device *dev)
{
    assert_true(((struct worker *)dev)->quiesced);
    ((struct worker *)dev)->resets++;
}
static int worker_loaded(struct device *dev, struct err *err) { (void)dev, (void)err; return 0; }
static void worker_started(struct device *dev) { assert_true(((struct worker *)dev)->quiesced); }
static void worker_quiesce(struct device *dev)
{
    assert_false(((struct worker *)dev)->quiesced);
    assert_true(vcpu_is_paused(vm->vcpu[0]) && vcpu_is_paused(vm->vcpu[1]));
    ((struct worker *)dev)->quiesced = true;
}
static void worker_resume(struct device *dev)
{
    assert_true(((struct worker *)dev)->quiesced);
    ((struct worker *)dev)->quiesced = false;
    ((struct worker *)dev)->resumes++;
}
static void worker_finish(void *dev)
{
    assert_true(((struct worker *)dev)->quiesced);
    ((struct worker *)dev)->finished++;
}
static const struct device_ops worker_ops = {
    .name = "worker", .reset = worker_reset, .loaded = worker_loaded, .started = worker_started,
    .quiesce = worker_quiesce, .resume = worker_resume};

static int setup_worker(void **state)
{
    struct err err = {0};
    setup(state);
    worker = (struct worker){.dev.ops = &worker_ops, .quiesced = true};
    pthread_mutex_init(&worker.dev.lock, NULL);
    return q35_add_device(machine, "worker", &worker.dev, worker_finish, &err);
}

static int teardown_worker(void **state)
{
    teardown(state);
    assert_int_equal(worker.finished, 1);
    return 0;
}

static void devices_stand_still_with_the_machine(void **state)
{
    (void)state;
    vm_cont(vm, NULL);
    assert_false(worker.quiesced);
    vm_hold(vm);
    assert_true(worker.quiesced);
    vm_release(vm);
    assert_false(worker.quiesced);
    vm_reset(vm, false, "host-qmp-system-reset");
    assert_false(worker.quiesced);
    assert_int_equal(worker.resets, 1);
    vm_stop(vm, VM_PAUSED);
    assert_true(worker.quiesced);
    vm_reset(vm, false, "host-qmp-system-reset");
    assert_true(worker.quiesced);
    assert_int_equal(worker.resets, 2);
    assert_int_equal(worker.resumes, 3);
}

static void a_failed_save_lets_devices_go_on(void **state)
{
    struct err err = {0};
    (void)state;
    vm_cont(vm, NULL);
    assert_true(vm_migrate(vm, "file:/nowhere/at/all", &err) < 0);
    assert_false(worker.quiesced);
}

static void a_disk_error_stops_until_cont(void **state)
{
    char device[] = "disk0";
    (void)state;
    vm_cont(vm, NULL);
    vm_post_event(vm, &(struct vm_event){.kind = VM_EVENT_BLOCK_IO_ERROR, .device = device,
                                         .reason = "No space left on device", .nospace = true});
    vm_io_error(vm);
    vm_io_error(vm);
    device[0] = 0;
    assert_told("resume io-error:No space left on device stop ");
    assert_string_equal(vm_state_name(vm->state), "io-error");
    assert_true(worker.quiesced);
    assert_int_equal(vm_cont(vm, NULL), 0);
    assert_false(worker.quiesced);
    vm_stop(vm, VM_PAUSED);
    vm_io_error(vm);
    turn_loop(5);
    assert_int_equal(vm->state, VM_PAUSED);
}

static void note(void *opaque) { *(bool *)opaque = worker.quiesced; }

static void what_must_not_be_seen_is_done_while_all_stand_still(void **state)
{
    bool still = false;
    (void)state;
    vm_cont(vm, NULL);
    vm_post_held(vm, note, &still);
    RUN_LOOP_UNTIL(still);
    assert_false(worker.quiesced);
    vm_stop(vm, VM_PAUSED);
    still = false;
    vm_post_held(vm, note, &still);
    RUN_LOOP_UNTIL(still);
    assert_true(worker.quiesced);
    assert_string_equal(told, "resume stop ");
}

static void names_of_devices_are_unique(void **state)
{
    struct err err = {0};
    char name[16];
    (void)state;
    assert_int_equal(q35_add_device(machine, "worker", &worker.dev, NULL, &err), -EEXIST);
    assert_int_equal(q35_add_device(machine, "", &worker.dev, NULL, &err), -EINVAL);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "many/%u", i);
        assert_int_equal(q35_add_device(machine, name, &q35_fw_cfg(machine)->dev, NULL, &err), 0);
    }
}

static void panic(enum vm_panic action, bool no_shutdown, const char *words)
{
    vm->config.panic = action;
    vm->config.shutdown_pauses = no_shutdown;
    vm_cont(vm, NULL);
    told[0] = 0;
    power_request(&vm->power, POWER_PANICKED, 0);
    assert_told(words);
}

static void a_panic_does_what_was_asked_for(void **state)
{
    (void)state;
    panic(VM_PANIC_NONE, false, "panicked ");
    assert_int_equal(vm->state, VM_RUNNING);
    panic(VM_PANIC_PAUSE, false, "panicked stop ");
    assert_string_equal(vm_state_name(vm->state), "guest-panicked");
    panic(VM_PANIC_SHUTDOWN, true, "panicked stop ");
    panic(VM_PANIC_EXIT_FAILURE, false, "panicked stop shutdown:guest-panic ");
    assert_true(vm->ending);
    assert_int_equal(vm->exit_status, EXIT_FAILURE);
}

static void a_full_machine_has_what_qemu_has(void **state)
{
    struct q35_config config = config_of(64 << 20);
    config.i8042 = true;
    config.pvpanic = (struct q35_pvpanic){true, 0x505, 3};
    assert_int_equal(set_up_with(config), 0);
    out8(0x64, 0xaa);
    assert_int_equal(in8(0x60), 0x55);
    assert_int_equal(in8(0x505), 3);
    mem_write(q35_ports(machine), GPA(0x510), 0, 2);
    assert_int_equal(in8(0x511), 'Q');
    mem_write(q35_ports(machine), GPA(0xcf8), 0x8000f800, 4);
    assert_int_equal(mem_read(q35_ports(machine), GPA(0xcfc), 4), 0x29188086);
    out8(0xcf9, 0x02);
    assert_int_equal(in8(0xcf9), 0x02);
    assert_non_null(q35_i8042(machine));
    vm_cont(vm, NULL);
    told[0] = 0;
    for (int i = 0; i < 1000; i++)  // what the loop has not come to yet is asked once
        out8(0x505, 2);
    out8(0x64, 0xfe);
    assert_told("crashloaded reset:guest-reset ");
    told[0] = 0;
    out8(0x505, 2);
    assert_told("crashloaded ");
    teardown(state);
}

#define WORKER(name) cmocka_unit_test_setup_teardown(name, setup_worker, teardown_worker)
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_pauses_and_tells),
        TEST(guest_time_and_tsc_stand_still_in_a_pause),
        TEST(the_guest_resets_by_port),
        TEST(a_reset_while_paused_stays_paused),
        TEST(without_reboot_a_reset_ends),
        TEST(s5_switches_off),
        TEST(no_shutdown_pauses_and_wants_a_reset),
        TEST(debug_exit_gives_the_status),
        TEST(an_engine_that_fails_stops_the_machine),
        TEST(an_isa_interrupt_reaches_both_controllers),
        TEST(the_power_button_is_an_event),
        TEST(what_is_not_there_reads_all_ones),
        cmocka_unit_test(large_memory_goes_on_at_4_gib),
        TEST(a_snapshot_continues_in_another_machine),
        TEST(a_stopped_guest_is_stopped_in_another_machine),
        TEST(a_snapshot_that_fails_leaves_the_guest_running),
        WORKER(devices_stand_still_with_the_machine),
        WORKER(a_failed_save_lets_devices_go_on),
        WORKER(a_disk_error_stops_until_cont),
        WORKER(what_must_not_be_seen_is_done_while_all_stand_still),
        WORKER(names_of_devices_are_unique),
        TEST(a_panic_does_what_was_asked_for),
        cmocka_unit_test(a_full_machine_has_what_qemu_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
