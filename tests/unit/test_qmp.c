// SPDX-License-Identifier: GPL-2.0-or-later
// clang-format off: cmocka wants these four first, in this order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>

#include "guest/control/qmp.h"
#include "tests/unit/control_fake.h"

static int setup(void **state)
{
    (void)state;
    fake_init(NULL, NULL);
    return qmp_open(&fake.chr.chr, &fake.vm, false, NULL);
}

static int teardown(void **state)
{
    (void)state;
    qmp_close_all();
    return 0;
}

static int setup_negotiated(void **state)
{
    int rc = setup(state);
    fake_type("{\"execute\": \"qmp_capabilities\"}\n");
    fake_forget();
    return rc;
}

// What was said since the last look.
static const char *said(const char *request)
{
    static char copy[sizeof fake.sent];
    fake_type(request);
    strcpy(copy, fake.sent);
    fake.sent_bytes = 0;
    fake.sent[0] = 0;
    return copy;
}

static void greets_and_wants_negotiation_first(void **state)
{
    (void)state;
    assert_string_equal(fake.sent, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, "
                        "\"major\": 7}, \"package\": \"Konuk 0.1.0\"}, \"capabilities\": []}}\r\n");
    fake_forget();
    assert_string_equal(said("{\"execute\": \"stop\"}"),
                        "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Expecting capabilities "
                        "negotiation with 'qmp_capabilities'\"}}\r\n");
    assert_string_equal(fake.asked, "");
    assert_string_equal(said("{\"execute\": \"qmp_capabilities\"}"), "{\"return\": {}}\r\n");
    assert_non_null(strstr(said("{\"execute\": \"qmp_capabilities\"}"), "already complete"));
}

static void refuses_capabilities_that_were_not_offered(void **state)
{
    (void)state;
    assert_non_null(strstr(said("{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": "
                                "[\"oob\"]}}"), "GenericError"));
    assert_non_null(strstr(said("{\"execute\": \"stop\"}"), "Expecting capabilities"));
}

static void echoes_an_id_of_any_type(void **state)
{
    (void)state;
    assert_string_equal(said("{\"execute\": \"query-name\", \"id\": {\"a\": [1, null, \"x\"]}}"),
                        "{\"return\": {\"name\": \"guest\"}, \"id\": {\"a\": [1, null, \"x\"]}}\r\n");
    assert_string_equal(said("{\"execute\": \"none\", \"id\": 18446744073709551615}"),
                        "{\"id\": 18446744073709551615, \"error\": {\"class\": \"CommandNotFound\", "
                        "\"desc\": \"The command none has not been found\"}}\r\n");
    assert_string_equal(said("{\"execute\": \"stop\"}"), "{\"return\": {}}\r\n");
}

static void acts_on_the_machine(void **state)
{
    (void)state;
    said("{'execute': 'stop'} {'execute': 'cont'}{'execute': 'system_reset'}\n\n"
         "{'execute': 'system_powerdown'}{'execute': 'inject-nmi'}{'execute': 'quit'}");
    assert_string_equal(fake.asked, "stop cont reset powerdown nmi host-qmp-quit ");
    fake.cont_fails = true;
    assert_string_equal(said("{\"execute\": \"cont\"}"),
                        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Resetting the Virtual "
                        "Machine is required\"}}\r\n");
}

static void checks_arguments(void **state)
{
    static const char *const cases[][2] = {
        {"{\"execute\": \"stop\", \"arguments\": {\"foo\": 1}}", "Parameter 'foo' is unexpected"},
        {"{\"execute\": \"migrate\"}", "Parameter 'uri' is missing"},
        {"{\"execute\": \"migrate\", \"arguments\": {\"uri\": 1}}",
         "Invalid parameter type for 'uri', expected: string"},
        {"{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"tcp:x\"}}",
         "Parameter 'uri' expects a valid migration protocol"},
        {"{\"execute\": \"stop\", \"arguments\": 1}", "QMP input member 'arguments' must be an object"},
        {"{\"execute\": 1}", "QMP input member 'execute' must be a string"},
        {"{\"execute\": \"stop\", \"more\": 1}", "QMP input member 'more' is unexpected"},
        {"{}", "QMP input lacks member 'execute'"},
        {"[1]", "QMP input must be a JSON object"},
        {"garbage\n", "JSON parse error"},
        {"{\"execute\": }\n", "JSON parse error"},
        {"{\"execute\": \"st\xff\xfe\"}\n", "JSON parse error"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *answer = said(cases[i][0]);
        assert_non_null(strstr(answer, cases[i][1]));
        assert_non_null(strstr(answer, "GenericError"));
        assert_string_equal(said("{\"execute\": \"stop\"}"), "{\"return\": {}}\r\n");
    }
}

static void a_stream_may_be_cut_anywhere(void **state)
{
    static const char stream[] = "{\"execute\": \"query-status\", \"id\": \"\\u00e9\\\"}\"}\r\n"
                                 "{\"execute\": \"stop\", \"arguments\": {}}";
    char whole[4096];
    (void)state;
    strcpy(whole, said(stream));
    for (size_t cut = 1; cut < sizeof stream - 1; cut++) {
        fake.status = "running";
        fake.front->receive(fake.opaque, (const uint8_t *)stream, cut);
        fake.front->receive(fake.opaque, (const uint8_t *)stream + cut, sizeof stream - 1 - cut);
        assert_string_equal(said(""), whole);
    }
}

static void depth_and_length_are_bounded(void **state)
{
    char *deep = malloc(4 << 20);
    (void)state;
    memset(deep, '[', 100000);
    strcpy(deep + 100000, "\n");
    assert_non_null(strstr(said(deep), "JSON parse error"));
    memset(deep, 'a', 3 << 20);
    memcpy(deep, "{\"", 2);
    deep[3 << 20] = 0;
    for (size_t at = 0; at < 3 << 20; at += 4096)
        fake.front->receive(fake.opaque, (const uint8_t *)deep + at, 4096);
    assert_non_null(strstr(said("\n"), "the request is too long"));
    assert_string_equal(said("{\"execute\": \"stop\"}"), "{\"return\": {}}\r\n");
    free(deep);
}

static void reads_no_more_while_replies_pile_up(void **state)
{
    (void)state;
    assert_true(fake.front->room(fake.opaque) > 0);
    fake.backlog_bytes = QMP_BACKLOG_BYTES;
    assert_int_equal(fake.front->room(fake.opaque), 0);
}

static void events_reach_who_has_negotiated(void **state)
{
    struct vm_event event = {.kind = VM_EVENT_SHUTDOWN, .guest = true, .reason = "guest-shutdown"};
    struct vm_event error = {.kind = VM_EVENT_BLOCK_IO_ERROR, .device = "virtio0", .operation = "write",
                             .action = "stop", .nospace = true, .reason = "No space left on device"};
    struct vm_event panic = {.kind = VM_EVENT_GUEST_PANICKED, .action = "pause"};
    (void)state;
    qmp_vm_event(&error);
    assert_non_null(strstr(fake.sent, "\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"virtio0\", \"nospace\": "
                           "true, \"reason\": \"No space left on device\", \"operation\": \"write\", \"action\": "
                           "\"stop\"}}\r\n"));
    qmp_vm_event(&panic);
    assert_non_null(strstr(fake.sent, "\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"pause\"}}\r\n"));
    qmp_vm_event(&event);
    assert_non_null(strstr(fake.sent, "{\"timestamp\": {\"seconds\": "));
    assert_non_null(strstr(fake.sent, "\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
                                      "\"guest-shutdown\"}}\r\n"));
    fake.chr.chr.event(fake.opaque, CHR_CLOSED);
    fake_forget();
    qmp_vm_event(&event);
    assert_string_equal(fake.sent, "");
    fake.chr.chr.event(fake.opaque, CHR_OPENED);
    assert_non_null(strstr(fake.sent, "{\"QMP\""));
    assert_non_null(strstr(said("{\"execute\": \"stop\"}"), "Expecting capabilities"));
}

static void describes_vcpus_and_migration(void **state)
{
    (void)state;
    assert_non_null(strstr(said("{\"execute\": \"query-cpus-fast\"}"),
        "{\"thread-id\": 1001, \"props\": {\"core-id\": 1, \"thread-id\": 0, \"socket-id\": 0}, "
        "\"qom-path\": \"/machine/unattached/device[1]\", \"cpu-index\": 1, \"target\": \"x86_64\"}"));
    assert_string_equal(said("{\"execute\": \"query-migrate\"}"), "{\"return\": {}}\r\n");
    said("{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"file:/x\"}}");
    assert_string_equal(fake.asked, "file:/x ");
    fake.migration = (struct vm_migration){.status = "failed", .error = "no space"};
    assert_string_equal(said("{\"execute\": \"query-migrate\"}"),
                        "{\"return\": {\"status\": \"failed\", \"error-desc\": \"no space\"}}\r\n");
}

static void runs_human_commands(void **state)
{
    (void)state;
    assert_string_equal(said("{\"execute\": \"human-monitor-command\", \"arguments\": "
                             "{\"command-line\": \"info status\"}}"),
                        "{\"return\": \"VM status: running\\r\\n\"}\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(greets_and_wants_negotiation_first, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_capabilities_that_were_not_offered, setup, teardown),
        cmocka_unit_test_setup_teardown(echoes_an_id_of_any_type, setup_negotiated, teardown),
        cmocka_unit_test_setup_teardown(acts_on_the_machine, setup_negotiated, teardown),
        cmocka_unit_test_setup_teardown(checks_arguments, setup_negotiated, teardown),
        cmocka_unit_test_setup_teardown(a_stream_may_be_cut_anywhere, setup_negotiated, teardown),
        cmocka_unit_test_setup_teardown(depth_and_length_are_bounded, setup_negotiated, teardown),
        cmocka_unit_test_setup_teardown(reads_no_more_while_replies_pile_up, setup_negotiated, teardown),
        cmocka_unit_test_setup_teardown(events_reach_who_has_negotiated, setup_negotiated, teardown),
        cmocka_unit_test_setup_teardown(describes_vcpus_and_migration, setup_negotiated, teardown),
        cmocka_unit_test_setup_teardown(runs_human_commands, setup_negotiated, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
