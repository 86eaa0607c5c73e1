// SPDX-License-Identifier: GPL-2.0-or-later
//
// The transport between a driver, played by the test, and a device type that keeps each request in
// flight until the test lets it finish.
#include "tests/unit/virtio_driver.h"

#include "guest/virtio/pci.h"

enum { QUEUES = 3, SIZE = 8, VECTORS = 4 };
enum { FEATURE_OWN = 5 };
enum { ACK = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64, FAILED = 128 };
enum { READY = ACK | DRIVER | FEATURES_OK | DRIVER_OK };
enum {
    DEVICE_FEATURE_SELECT = 0, DEVICE_FEATURE = 4, DRIVER_FEATURE_SELECT = 8, DRIVER_FEATURE = 12,
    CONFIG_VECTOR = 16, NUM_QUEUES = 18, STATUS = 20, GENERATION = 21, QUEUE_SELECT = 22, QUEUE_SIZE = 24,
    QUEUE_VECTOR = 26, QUEUE_ENABLE = 28, QUEUE_NOTIFY_OFF = 30, QUEUE_DESC = 32, QUEUE_DRIVER = 40,
    QUEUE_DEVICE = 48,
};
enum { COMMON = 0, ISR = 0x1000, CONFIG = 0x2000, NOTIFY = 0x3000 };
enum { COMMAND = 4, COMMAND_MEMORY = 2, COMMAND_MASTER = 4 };

// A device type. What is not the configuration is its I/O thread's.
struct fake {
    struct virtio_device vdev;
    struct { unsigned queue; uint16_t head; } held[QUEUES * SIZE];
    unsigned held_count, activations, kicks, stops, resets;
    bool stopping, kept;
    uint8_t config[6];
};

static struct fake *fake_of(struct virtio_device *vdev) { return (struct fake *)vdev; }

static void fake_config_read(struct virtio_device *vdev, unsigned offset, void *bytes, unsigned size_bytes)
{
    assert_true(offset + size_bytes <= sizeof fake_of(vdev)->config);
    memcpy(bytes, fake_of(vdev)->config + offset, size_bytes);
}

static void fake_config_write(struct virtio_device *vdev, unsigned offset, const void *bytes, unsigned size_bytes)
{
    assert_true(offset + size_bytes <= sizeof fake_of(vdev)->config);
    memcpy(fake_of(vdev)->config + offset, bytes, size_bytes);
}

static void fake_activate(struct virtio_device *vdev)
{
    fake_of(vdev)->activations++;
}

static void fake_kick(struct virtio_device *vdev, unsigned queue)
{
    struct fake *f = fake_of(vdev);
    struct virtio_chain chain;
    f->kicks++;
    while (virtio_pop(vdev, queue, &chain)) {
        f->held[f->held_count].queue = queue;
        f->held[f->held_count++].head = chain.head;
    }
}

static void fake_stop(struct virtio_device *vdev, bool keep)
{
    struct fake *f = fake_of(vdev);
    f->stops++;
    f->kept = keep;
    f->stopping = f->held_count;
    if (!f->held_count)
        virtio_stopped(vdev);
}

static const struct virtio_ops fake_ops = {
    .name = "virtio-fake", .type = VIRTIO_TYPE_BLOCK, .pci_class = 0x010000,
    .config_read = fake_config_read, .config_write = fake_config_write,
    .activate = fake_activate, .kick = fake_kick, .stop = fake_stop,
};
static void fake_reset(struct device *dev)
{
    container_of(dev, struct fake, vdev.dev)->resets++;
}

static const struct device_ops fake_dev_ops = {.name = "virtio-fake", .reset = fake_reset};

static void finish_all(void *opaque)
{
    struct fake *f = opaque;
    for (unsigned i = 0; i < f->held_count; i++) {
        virtio_push(&f->vdev, f->held[i].queue, f->held[i].head, 4);
        virtio_flush_used(&f->vdev, f->held[i].queue);
    }
    f->held_count = 0;
    if (f->stopping) {
        f->stopping = false;
        virtio_stopped(&f->vdev);
    }
}

static void finish_later(void *opaque)
{
    io_thread_post(((struct fake *)opaque)->vdev.thread, finish_all, opaque);
}

// The machine around it.
struct msis {
    struct msi_sink sink;
    unsigned count[VECTORS], last;
};
static void msi_count(struct msi_sink *sink, uint64_t address, uint32_t data)
{
    struct msis *msis = container_of(sink, struct msis, sink);
    assert_int_equal(address, 0xfee00000u);
    assert_true(data < VECTORS);
    msis->count[data]++;
}

static struct driver_memory m;
static struct mem *ports;
static struct io_thread *thread;
static struct msis msis;
static struct wire wires[PCI_PIRQS];
static struct pci_root root;
static struct pci_bus bus;
static struct fake fake;
static struct virtio_pci *vp;
static struct pci_function *f;
static struct driver_queue d[QUEUES];

static void nothing(void *opaque) { (void)opaque; }

// A bell that was rung is answered: the first call may overtake it, the second can't.
static void settle(void)
{
    io_thread_call(thread, nothing, NULL);
    io_thread_call(thread, nothing, NULL);
}

static void finish(void) { settle(); io_thread_call(thread, finish_all, &fake); settle(); }

static void plug_device(struct fake *made, struct virtio_pci **transport)
{
    memset(made, 0, sizeof *made);
    made->vdev.offered = BIT(FEATURE_OWN);
    made->vdev.config_bytes = sizeof made->config;
    virtio_device_init(&made->vdev, &fake_dev_ops, &fake_ops, thread, m.mem, QUEUES, SIZE);
    struct virtio_pci_config config = {.vectors = VECTORS, .indirect = true, .event_index = true};
    *transport = virtio_pci_create(&made->vdev, &config, NULL);
    assert_non_null(*transport);
    assert_int_equal(pci_bus_plug(&bus, virtio_pci_function(*transport), -1, NULL), 0);
    pci_config_write(virtio_pci_function(*transport), COMMAND, COMMAND_MASTER, 2);
}

static void unplug_device(struct fake *made, struct virtio_pci *transport)
{
    device_quiesce(&virtio_pci_function(transport)->dev);
    virtio_pci_destroy(transport);
    virtio_device_finish(&made->vdev);
}

static int setup(void **state)
{
    (void)state;
    driver_memory_open(&m);
    ports = mem_create(65536);
    thread = io_thread_create("virtio", &mem_reader_sleep, NULL);
    msis = (struct msis){.sink.send = msi_count};
    root = (struct pci_root){.memory = m.mem, .ports = ports, .msi = &msis.sink};
    for (unsigned i = 0; i < PCI_PIRQS; i++) {
        wires[i] = wire();
        root.intx[i] = &wires[i].line;
    }
    bus = (struct pci_bus){0};
    pci_bus_init(&bus, &root, NULL);
    plug_device(&fake, &vp);
    f = virtio_pci_function(vp);
    for (unsigned i = 0; i < QUEUES; i++)
        d[i] = driver_queue(&m, i, SIZE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    finish();
    unplug_device(&fake, vp);
    io_thread_destroy(thread);
    mem_destroy(ports);
    driver_memory_close(&m);
    return 0;
}

// The driver.
static uint64_t get(unsigned offset, unsigned size_bytes)
{
    return device_read(&f->dev, PCI_BAR_OFFSET(4) + offset, size_bytes) & size_mask(size_bytes);
}
static void put(unsigned offset, uint64_t value, unsigned size_bytes)
{
    device_write(&f->dev, PCI_BAR_OFFSET(4) + offset, value, size_bytes);
}
static unsigned status(void) { return (unsigned)get(STATUS, 1); }
static void kick(unsigned queue) { put(NOTIFY + 4 * queue, queue, 2); settle(); }
static bool any_wire(void)
{
    bool level = false;
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        level |= wires[i].level;
    return level;
}

static void put_features(uint64_t features)
{
    for (unsigned i = 0; i < 2; i++) {
        put(DRIVER_FEATURE_SELECT, i, 4);
        put(DRIVER_FEATURE, (uint32_t)(features >> (32 * i)), 4);
    }
}

static void put_queue(unsigned n, uint16_t vector)
{
    put(QUEUE_SELECT, n, 2);
    put(QUEUE_SIZE, d[n].size, 2);
    put(QUEUE_VECTOR, vector, 2);
    put(QUEUE_DESC, d[n].descriptors_at, 8);
    put(QUEUE_DRIVER, d[n].available_at, 4);
    put(QUEUE_DRIVER + 4, 0, 4);
    put(QUEUE_DEVICE, d[n].used_at, 8);
    put(QUEUE_ENABLE, 1, 2);
}

static void set_up_msix(void)
{
    pci_config_write(f, f->msix_at + 2, 0x8000, 2);
    for (unsigned i = 0; i < VECTORS; i++) {
        device_write(&f->dev, PCI_BAR_OFFSET(1) + 16 * i, 0xfee00000, 4);
        device_write(&f->dev, PCI_BAR_OFFSET(1) + 16 * i + 8, i, 4);
        device_write(&f->dev, PCI_BAR_OFFSET(1) + 16 * i + 12, 0, 4);
    }
}

// Queues 0 and 1 with vectors 1 and 2; configuration changes have vector 0.
static void drive_with(uint64_t features)
{
    put(STATUS, ACK, 1);
    put(STATUS, ACK | DRIVER, 1);
    put_features(BIT(VIRTIO_F_VERSION_1) | features);
    put(STATUS, ACK | DRIVER | FEATURES_OK, 1);
    put(CONFIG_VECTOR, 0, 2);
    put_queue(0, 1);
    put_queue(1, 2);
    put(STATUS, READY, 1);
    assert_int_equal(status(), READY);
    settle();
}
static void drive(void) { drive_with(0); }

static void give_buffer(unsigned queue, uint16_t head)
{
    descriptor(&d[queue], head, DRIVER_BUFFERS + 0x100u * head, 0x100, D_WRITE, 0);
    make_available(&d[queue], head);
}

static unsigned used_count(unsigned queue)
{
    uint32_t head, bytes;
    unsigned count = 0;
    while (take_used(&d[queue], &head, &bytes))
        count++;
    return count;
}

static void it_says_what_it_is(void **state)
{
    (void)state;
    assert_int_equal(pci_config_read(f, 0, 4), 0x10421af4);
    assert_int_equal(pci_config_read(f, 8, 4), 0x01000001);
    assert_int_equal(pci_config_read(f, 0x2c, 4), 0x11001af4);
    static const unsigned where[] = {0, COMMON, NOTIFY, ISR, CONFIG};
    unsigned seen = 0;
    for (unsigned at = pci_config_read(f, 0x34, 1); at; at = pci_config_read(f, at + 1, 1)) {
        if (pci_config_read(f, at, 1) != 9)
            continue;
        unsigned type = pci_config_read(f, at + 3, 1);
        seen |= 1 << type;
        assert_int_equal(pci_config_read(f, at + 2, 1), type == 2 || type == 5 ? 20 : 16);
        if (type == 5)
            continue;
        assert_int_equal(pci_config_read(f, at + 4, 1), 4);
        assert_int_equal(pci_config_read(f, at + 8, 4), where[type]);
        assert_int_equal(pci_config_read(f, at + 12, 4), 0x1000);
        if (type == 2)
            assert_int_equal(pci_config_read(f, at + 16, 4), 4);
    }
    assert_int_equal(seen, 0x3e);
    assert_int_equal(get(NUM_QUEUES, 2), QUEUES);
    assert_int_equal(status(), 0);
}

static void features_are_negotiated(void **state)
{
    (void)state;
    uint64_t all = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) | BIT(FEATURE_OWN);
    uint64_t offered = 0;
    for (unsigned i = 0; i < 3; i++) {
        put(DEVICE_FEATURE_SELECT, i, 4);
        offered |= i < 2 ? get(DEVICE_FEATURE, 4) << (32 * i) : 0;
    }
    assert_int_equal(get(DEVICE_FEATURE, 4), 0);
    assert_int_equal(offered, all);
    put(STATUS, ACK | DRIVER, 1);
    put_features(BIT(FEATURE_OWN));  // no VERSION_1
    put(STATUS, ACK | DRIVER | FEATURES_OK, 1);
    assert_int_equal(status(), ACK | DRIVER);
    put(STATUS, READY, 1);
    assert_int_equal(status(), ACK | DRIVER);
    put_features(all | BIT(3));  // not offered
    put(STATUS, ACK | DRIVER | FEATURES_OK, 1);
    assert_int_equal(status(), ACK | DRIVER);
    put_features(all);
    put(STATUS, ACK | DRIVER | FEATURES_OK, 1);
    assert_int_equal(status(), ACK | DRIVER | FEATURES_OK);
    put_features(0);  // too late
    assert_int_equal(get(DRIVER_FEATURE, 4), all >> 32);
    put(STATUS, READY | FAILED, 1);
    settle();
    assert_int_equal(fake.vdev.negotiated, all);
    assert_int_equal(fake.activations, 1);
    assert_int_equal(status(), READY | FAILED);
    put(STATUS, ACK, 1);  // bits are not taken back
    put(STATUS, NEEDS_RESET | ACK, 1);
    assert_int_equal(status(), READY | FAILED);
}

static void queues_are_set_up_and_then_frozen(void **state)
{
    (void)state;
    put(QUEUE_SELECT, 2, 2);
    assert_int_equal(get(QUEUE_SIZE, 2), SIZE);
    assert_int_equal(get(QUEUE_NOTIFY_OFF, 2), 2);
    assert_int_equal(get(QUEUE_VECTOR, 2), 0xffff);
    for (unsigned i = 0; i < 5; i++) {
        put(QUEUE_SIZE, (unsigned[]){0, 3, 16, 0x8000, 12}[i], 2);
        assert_int_equal(get(QUEUE_SIZE, 2), SIZE);
    }
    put(QUEUE_SIZE, 4, 2);
    put(QUEUE_VECTOR, VECTORS, 2);
    assert_int_equal(get(QUEUE_VECTOR, 2), 0xffff);
    put(QUEUE_VECTOR, VECTORS - 1, 2);
    put(QUEUE_DESC, UINT64_C(0x123456789abcdef0), 8);
    put(QUEUE_DESC + 4, 0x11111111, 4);
    put(QUEUE_ENABLE, 2, 2);
    assert_int_equal(get(QUEUE_ENABLE, 2), 0);
    put(QUEUE_ENABLE, 1, 2);
    put(QUEUE_SIZE, 2, 2);
    put(QUEUE_DESC, 0, 8);
    assert_int_equal(get(QUEUE_SIZE, 2), 4);
    assert_int_equal(get(QUEUE_VECTOR, 2), VECTORS - 1);
    assert_int_equal(get(QUEUE_DESC, 8), UINT64_C(0x111111119abcdef0));
    put(QUEUE_SELECT, QUEUES, 2);
    put(QUEUE_SIZE, 4, 2);
    put(QUEUE_ENABLE, 1, 2);
    put(QUEUE_VECTOR, 1, 2);
    assert_int_equal(get(QUEUE_SIZE, 8), 0);  // size, vector, enable, notify offset
}

static void widths(void **state)
{
    (void)state;
    put(QUEUE_SELECT, 1, 2);
    put(QUEUE_SELECT, 2, 1);  // not of the field's width
    put(QUEUE_SELECT, 2, 4);
    assert_int_equal(get(QUEUE_SELECT, 2), 1);
    put(QUEUE_DESC + 2, 0xffffffff, 4);
    put(QUEUE_DESC + 1, 0xff, 1);
    put(QUEUE_DEVICE + 4, UINT64_MAX, 8);
    assert_int_equal(get(QUEUE_DESC, 8), 0);
    assert_int_equal(get(QUEUE_DEVICE + 4, 4), 0);
    assert_int_equal(get(QUEUE_SELECT, 1), 1);
    assert_int_equal(get(QUEUE_SELECT - 2, 4), 1 << 16);
    assert_int_equal(get(54, 8), 0);
    assert_int_equal(get(0xff8, 8), 0);
    fake.config[5] = 7;
    assert_int_equal(get(CONFIG + 5, 1), 7);
    assert_int_equal(get(CONFIG + 4, 4), 0xffff0700);
    assert_int_equal(get(CONFIG + 6, 4), 0xffffffff);
    put(CONFIG + 4, 0x1234, 2);
    put(CONFIG + 5, 0xffff, 2);  // out of bounds
    assert_int_equal(get(CONFIG + 4, 2), 0x1234);
}

static void a_request_comes_back_with_its_vector(void **state)
{
    (void)state;
    set_up_msix();
    drive();
    give_buffer(0, 3);
    kick(0);
    assert_int_equal(fake.held_count, 1);
    finish();
    assert_int_equal(used_count(0), 1);
    assert_int_equal(msis.count[1], 1);
    give_buffer(1, 0);
    kick(1);
    put(QUEUE_SELECT, 1, 2);
    put(QUEUE_VECTOR, 0xffff, 2);
    finish();
    assert_int_equal(used_count(1), 1);
    assert_int_equal(msis.count[2], 0);
    assert_int_equal(get(ISR, 1), 0);
    assert_false(any_wire());
}

static void without_msix_there_is_a_wire(void **state)
{
    (void)state;
    drive();
    give_buffer(0, 0);
    kick(0);
    finish();
    assert_true(any_wire());
    assert_int_equal(get(ISR, 1), 1);
    assert_false(any_wire());
    unsigned generation = get(GENERATION, 1);
    virtio_config_changed(&fake.vdev);
    assert_int_not_equal(get(GENERATION, 1), generation);
    assert_true(any_wire());
    set_up_msix();
    assert_false(any_wire());
    virtio_config_changed(&fake.vdev);
    assert_int_equal(msis.count[0], 1);
    assert_int_equal(get(ISR, 1), 2);
}

static void kicks_before_driver_ok_mean_nothing(void **state)
{
    (void)state;
    give_buffer(0, 0);
    for (unsigned i = 0; i < QUEUES + 2; i++)
        kick(i);
    put(STATUS, ACK | DRIVER, 1);
    kick(0);
    assert_int_equal(fake.kicks, 0);
    virtio_config_changed(&fake.vdev);
    assert_false(any_wire());
    drive();
    assert_int_equal(fake.kicks, 2);  // a look at each enabled queue
    assert_int_equal(fake.held_count, 1);
    kick(2);
    assert_int_equal(fake.kicks, 2);  // it isn't enabled
}

static void without_bus_mastering_no_dma(void **state)
{
    (void)state;
    set_up_msix();
    drive();
    pci_config_write(f, COMMAND, 0, 2);
    give_buffer(0, 0);
    kick(0);
    virtio_device_kick(&fake.vdev, 0);  // the device's own look
    settle();
    assert_int_equal(fake.held_count, 0);
    virtio_config_changed(&fake.vdev);
    assert_int_equal(msis.count[0], 0);
    pci_config_write(f, COMMAND, COMMAND_MASTER, 2);
    settle();
    assert_int_equal(fake.held_count, 1);
}

static void a_reset_waits_for_what_is_in_flight(void **state)
{
    (void)state;
    drive();
    give_buffer(0, 0);
    kick(0);
    put(STATUS, 0, 1);
    settle();
    assert_int_equal(status(), READY);
    put(STATUS, READY, 1);
    put(QUEUE_SELECT, 2, 2);
    give_buffer(0, 1);
    kick(0);
    put(STATUS, 0, 1);
    settle();
    assert_int_equal(fake.stops, 1);
    assert_false(fake.kept);
    assert_int_equal(fake.held_count, 1);
    assert_int_equal(fake.resets, 0);
    finish();
    assert_int_equal(fake.resets, 1);
    assert_int_equal(status(), 0);
    assert_false(any_wire());
    put(QUEUE_SELECT, 0, 2);
    assert_int_equal(get(QUEUE_ENABLE, 2), 0);
    assert_int_equal(get(QUEUE_DESC, 8), 0);
    assert_int_equal(get(CONFIG_VECTOR, 2), 0xffff);
    d[0] = driver_queue(&m, 0, SIZE);
    drive();
    give_buffer(0, 5);
    kick(0);
    finish();
    assert_int_equal(used_count(0), 1);
}

static void start_and_reset_in_one_breath(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        put(STATUS, ACK | DRIVER, 1);
        put_features(BIT(VIRTIO_F_VERSION_1));
        put(STATUS, READY, 1);
        put(STATUS, 0, 1);
        for (unsigned tries = 0; status() && tries < 10000; tries++)
            settle();
        assert_int_equal(status(), 0);
    }
    assert_int_equal(fake.activations, 200);
    assert_int_equal(fake.stops, 200);
}

static void the_impossible_needs_a_reset(void **state)
{
    (void)state;
    set_up_msix();
    drive();
    give_buffer(1, 1);
    kick(1);
    make_available(&d[0], SIZE);
    kick(0);
    assert_int_equal(status(), READY | NEEDS_RESET);
    assert_int_equal(msis.count[0], 1);
    give_buffer(1, 0);
    kick(1);
    assert_int_equal(fake.held_count, 1);
    finish();
    assert_int_equal(used_count(1), 0);
    put(STATUS, 0, 1);
    settle();
    assert_int_equal(status(), 0);
    for (unsigned i = 0; i < QUEUES; i++)
        d[i] = driver_queue(&m, i, SIZE);
    drive();
    assert_false(fake.vdev.broken);
}

static void rings_that_are_no_ram_need_a_reset(void **state)
{
    (void)state;
    d[1].used_at = DRIVER_LOW_BYTES + 0x1000;
    put(STATUS, ACK | DRIVER, 1);
    put_features(BIT(VIRTIO_F_VERSION_1));
    put(STATUS, ACK | DRIVER | FEATURES_OK, 1);
    put_queue(0, 0xffff);
    put_queue(1, 0xffff);
    put(STATUS, READY, 1);
    settle();
    assert_int_equal(status(), READY | NEEDS_RESET);
    kick(0);
    assert_int_equal(fake.kicks, 0);
    device_quiesce(&f->dev);
    device_resume(&f->dev);
    put(STATUS, 0, 1);
    settle();
    assert_int_equal(status(), 0);
    assert_int_equal(fake.stops, 2);
}

static void a_pause_waits_and_goes_on(void **state)
{
    (void)state;
    drive();
    for (uint16_t i = 0; i < 3; i++)
        give_buffer(0, i);
    kick(0);
    io_thread_post(thread, finish_later, &fake);
    device_quiesce(&f->dev);
    assert_int_equal(fake.held_count, 0);
    assert_true(fake.kept);
    assert_int_equal(used_count(0), 3);
    give_buffer(0, 3);
    put(NOTIFY, 0, 2);
    virtio_config_changed(&fake.vdev);
    settle();
    assert_int_equal(fake.held_count, 0);
    assert_int_equal(get(ISR, 1), 1);
    assert_true(virtio_queue_is_empty(&fake.vdev.queue[0]));  // a back end that comes now
    assert_false(virtio_queue_set_kicks(&fake.vdev.queue[0], true));
    device_resume(&f->dev);
    settle();
    assert_int_equal(fake.activations, 2);
    assert_int_equal(fake.held_count, 1);
    assert_int_equal(get(ISR, 1), 2);
    io_thread_post(thread, finish_later, &fake);
    device_quiesce(&f->dev);
    device_quiesce(&f->dev);
    device_resume(&f->dev);
    device_resume(&f->dev);
    settle();
    assert_int_equal(fake.activations, 3);
}

static void copy_state(struct device *to, const struct device *from)
{
    for (const struct state_field *field = from->ops->state; field->name; field++)
        memcpy((uint8_t *)to + field->offset_bytes, (const uint8_t *)from + field->offset_bytes,
               (size_t)field->size_bytes * field->count);
}

static void a_snapshot_goes_on_elsewhere(void **state)
{
    (void)state;
    set_up_msix();
    drive_with(BIT(VIRTIO_F_EVENT_IDX));
    give_buffer(0, 0);
    kick(0);
    finish();
    device_quiesce(&f->dev);
    give_buffer(0, 1);
    struct fake other;
    struct virtio_pci *other_vp;
    plug_device(&other, &other_vp);
    struct device *other_dev = &virtio_pci_function(other_vp)->dev;
    device_quiesce(other_dev);
    copy_state(other_dev, &f->dev);
    assert_int_equal(device_loaded(other_dev, NULL), 0);
    device_started(other_dev);
    settle();
    assert_int_equal(other.activations, 0);
    device_resume(other_dev);
    settle();
    assert_int_equal(other.activations, 1);
    assert_int_equal(other.held_count, 1);
    assert_int_equal(other.held[0].head, 1);
    io_thread_call(thread, finish_all, &other);
    assert_int_equal(used_count(0), 2);
    unplug_device(&other, other_vp);
}

static void a_machines_reset_finds_it_quiesced(void **state)
{
    (void)state;
    drive();
    device_quiesce(&f->dev);
    device_reset(&f->dev);
    assert_int_equal(fake.resets, 1);  // a reset of the bus reaches nobody but the function
    assert_int_equal(status(), 0);
    assert_int_equal(pci_config_read(f, COMMAND, 2), 0);
    device_resume(&f->dev);
    settle();
    assert_int_equal(fake.activations, 1);
    pci_config_write(f, COMMAND, COMMAND_MASTER, 2);
    for (unsigned i = 0; i < QUEUES; i++)
        d[i] = driver_queue(&m, i, SIZE);
    drive();
    give_buffer(0, 0);
    kick(0);
    assert_int_equal(fake.held_count, 1);
}

static void configuration_space_reaches_the_registers(void **state)
{
    (void)state;
    unsigned at = pci_config_read(f, 0x34, 1);
    while (pci_config_read(f, at, 1) != 9 || pci_config_read(f, at + 3, 1) != 5)
        at = pci_config_read(f, at + 1, 1);
    pci_config_write(f, at + 4, 4, 1);
    pci_config_write(f, at + 8, STATUS, 4);
    assert_int_equal(pci_config_read(f, at + 16, 4), 0);
    pci_config_write(f, at + 12, 1, 4);
    pci_config_write(f, at + 16, ACK, 1);
    assert_int_equal(status(), ACK);
    put(STATUS, ACK | DRIVER, 1);
    assert_int_equal(pci_config_read(f, at + 16, 1), ACK | DRIVER);
    const struct { unsigned bar, offset, length; } none[] = {
        {4, 0x4000, 1}, {4, 0xfffffffc, 4}, {4, STATUS + 1, 2}, {4, STATUS, 3}, {4, STATUS, 8}, {0, 0, 4},
        {6, 0, 4}, {255, 0, 4}, {1, 0x1000, 4},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
        pci_config_write(f, at + 4, none[i].bar, 1);
        pci_config_write(f, at + 8, none[i].offset, 4);
        pci_config_write(f, at + 12, none[i].length, 4);
        pci_config_write(f, at + 16, 0, 4);
        assert_int_equal(pci_config_read(f, at + 16, 4), 0);
    }
    assert_int_equal(status(), ACK | DRIVER);
}

static void the_guest_reaches_it_through_its_bar(void **state)
{
    (void)state;
    pci_config_write(f, 0x20, 0xe0000000, 4);
    pci_config_write(f, COMMAND, COMMAND_MEMORY | COMMAND_MASTER, 2);
    mem_thread_online();
    assert_int_equal(mem_read(m.mem, GPA(0xe0000000 + NUM_QUEUES), 2), QUEUES);
    mem_write(m.mem, GPA(0xe0000000 + STATUS), ACK, 1);
    mem_thread_offline();
    assert_int_equal(status(), ACK);
}

static void refuses(const char *name, unsigned element, uint64_t value)
{
    const struct state_field *field = f->dev.ops->state;
    while (strcmp(field->name, name))
        field++;
    uint8_t *at = (uint8_t *)f + field->offset_bytes + (size_t)element * field->size_bytes;
    uint64_t before = 0;
    struct err err = {0};
    memcpy(&before, at, field->size_bytes);
    memcpy(at, &value, field->size_bytes);
    assert_int_equal(device_loaded(&f->dev, &err), -EINVAL);
    assert_true(err.text[0]);
    memcpy(at, &before, field->size_bytes);
    assert_int_equal(device_loaded(&f->dev, NULL), 0);
}

static void a_strangers_snapshot_is_checked(void **state)
{
    (void)state;
    drive();
    device_quiesce(&f->dev);
    refuses("status", 0, READY | 0x10);
    refuses("status", 0, ACK | DRIVER | DRIVER_OK);
    refuses("driver_features", 0, BIT(FEATURE_OWN));
    refuses("driver_features", 0, BIT(VIRTIO_F_VERSION_1) | BIT(63));
    refuses("config_vector", 0, VECTORS);
    refuses("queue_size", 0, 0);
    refuses("queue_size", 0, 3);
    refuses("queue_size", 2, 2 * SIZE);
    refuses("queue_vector", 1, 0xfffe);
    refuses("queue_enabled", QUEUES, 1);
    refuses("queue_next_available", 0, SIZE + 1);
    refuses("queue_next_used", 1, 1);
    refuses("isr", 0, 4);
    device_resume(&f->dev);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_says_what_it_is),
        TEST(features_are_negotiated),
        TEST(queues_are_set_up_and_then_frozen),
        TEST(widths),
        TEST(a_request_comes_back_with_its_vector),
        TEST(without_msix_there_is_a_wire),
        TEST(kicks_before_driver_ok_mean_nothing),
        TEST(without_bus_mastering_no_dma),
        TEST(a_reset_waits_for_what_is_in_flight),
        TEST(start_and_reset_in_one_breath),
        TEST(the_impossible_needs_a_reset),
        TEST(rings_that_are_no_ram_need_a_reset),
        TEST(a_pause_waits_and_goes_on),
        TEST(a_snapshot_goes_on_elsewhere),
        TEST(a_machines_reset_finds_it_quiesced),
        TEST(configuration_space_reaches_the_registers),
        TEST(the_guest_reaches_it_through_its_bar),
        TEST(a_strangers_snapshot_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
