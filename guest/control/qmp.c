// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/control/qmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guest/chr/backend.h"
#include "guest/control/json_text.h"

struct qmp {
    struct chr *chr;
    struct vm_control *vm;
    struct json_tokener *tokener;
    struct json_object *id;  // of the request being served
    size_t request_bytes;    // taken since it began
    bool pretty, open, negotiated;
    bool skipping;           // after an error: to the end of the line
    struct qmp *next;
};

static struct qmp *sessions;

static void send_message(struct qmp *q, struct json_object *message)
{
    struct text text = {0};
    json_text(&text, message, q->pretty);
    text_add(&text, "\r\n", 2);
    q->chr->ops->write(q->chr, (const uint8_t *)text.at, text.used_bytes);
    text_finish(&text);
    json_object_put(message);
}

static struct json_object *take_id(struct qmp *q)
{
    struct json_object *id = q->id;
    q->id = NULL;
    return id;
}

static void reply(struct qmp *q, struct json_object *value)
{
    struct json_object *message = json_object_new_object(), *id = take_id(q);
    json_object_object_add(message, "return", value);
    if (id)
        json_object_object_add(message, "id", id);
    send_message(q, message);
}

static void fail(struct qmp *q, const char *class, const char *sentence)
{
    struct json_object *message = json_object_new_object(), *id = take_id(q);
    struct json_object *error = json_object_new_object();
    json_object_object_add(error, "class", json_object_new_string(class));
    json_object_object_add(error, "desc", json_object_new_string(sentence));
    if (id)
        json_object_object_add(message, "id", id);
    json_object_object_add(message, "error", error);
    send_message(q, message);
}

static void greet(struct qmp *q)
{
    struct json_object *message = json_object_new_object(), *body = json_object_new_object();
    json_object_object_add(body, "version", qmp_version());
    json_object_object_add(body, "capabilities", json_object_new_array());
    json_object_object_add(message, "QMP", body);
    q->negotiated = false;
    send_message(q, message);
}

static int negotiate(struct qmp *q, struct json_object *arguments, struct err *err)
{
    struct json_object *enable = NULL;
    json_object_object_get_ex(arguments, "enable", &enable);
    if (enable && json_object_array_length(enable))
        return err_set(err, -EINVAL, "This capability is not available");
    q->negotiated = true;
    return 0;
}

static void run(struct qmp *q, const struct qmp_command *command, struct json_object *arguments)
{
    struct qmp_call call = {.vm = q->vm, .arguments = arguments, .error_class = "GenericError"};
    struct json_object *value = NULL;
    if (qmp_check_arguments(command, arguments, &call.err) == 0) {
        bool negotiation = !command->run;
        if (negotiation && negotiate(q, arguments, &call.err) == 0)
            value = json_object_new_object();
        else if (!negotiation)
            value = command->run(&call);
    }
    if (value)
        reply(q, value);
    else
        fail(q, call.error_class, call.err.text);
    if (call.then)
        call.then(&call);
}

static void dispatch(struct qmp *q, const char *name, struct json_object *arguments)
{
    struct err err = {0};
    const struct qmp_command *command = qmp_command_find(name);
    bool negotiation = command && !command->run;
    if (!q->negotiated && !negotiation) {
        err_set(&err, 0, "Expecting capabilities negotiation with 'qmp_capabilities'");
    } else if (q->negotiated && negotiation) {
        err_set(&err, 0, "Capabilities negotiation is already complete, command ignored");
    } else if (!command) {
        err_set(&err, 0, "The command %.100s has not been found", name);
    } else {
        run(q, command, arguments);
        return;
    }
    fail(q, "CommandNotFound", err.text);
}

// False: it is no request, and was answered so.
static bool check_members(struct qmp *q, struct json_object *request)
{
    struct err err = {0};
    struct json_object *name = NULL, *arguments = NULL;
    json_object_object_foreach(request, key, value) {
        (void)value;
        if (strcmp(key, "execute") && strcmp(key, "arguments") && strcmp(key, "id"))
            err_set(&err, 0, "QMP input member '%.100s' is unexpected", key);
    }
    if (!*err.text && !json_object_object_get_ex(request, "execute", &name))
        err_set(&err, 0, "QMP input lacks member 'execute'");
    else if (!*err.text && !json_object_is_type(name, json_type_string))
        err_set(&err, 0, "QMP input member 'execute' must be a string");
    else if (!*err.text && json_object_object_get_ex(request, "arguments", &arguments) &&
             !json_object_is_type(arguments, json_type_object))
        err_set(&err, 0, "QMP input member 'arguments' must be an object");
    if (*err.text)
        fail(q, "GenericError", err.text);
    return !*err.text;
}

static void serve(struct qmp *q, struct json_object *request)
{
    struct json_object *name = NULL, *arguments = NULL, *id = NULL;
    if (!json_object_is_type(request, json_type_object)) {
        fail(q, "GenericError", "QMP input must be a JSON object");
        return;
    }
    if (json_object_object_get_ex(request, "id", &id))
        q->id = json_object_get(id);
    if (!check_members(q, request))
        return;
    json_object_object_get_ex(request, "execute", &name);
    json_object_object_get_ex(request, "arguments", &arguments);
    dispatch(q, json_object_get_string(name), arguments);
}

static void forget_request(struct qmp *q)
{
    json_tokener_reset(q->tokener);
    q->request_bytes = 0;
}

static void broken(struct qmp *q, const char *why)
{
    struct err err = {0};
    err_set(&err, 0, "JSON parse error, %s", why);
    fail(q, "GenericError", err.text);
    forget_request(q);
    q->skipping = true;
}

// After an error everything is dropped up to a line's end, or to the byte that the specification
// gives for that (0xff never occurs in UTF-8).
static size_t skip(struct qmp *q, const uint8_t *bytes, size_t size_bytes)
{
    size_t n = 0;
    while (n < size_bytes && q->skipping)
        q->skipping = bytes[n] != '\n' && bytes[n] != 0xff, n++;
    return n;
}

// Space between requests is no part of one.
static size_t skip_space(const struct qmp *q, const uint8_t *bytes, size_t size_bytes)
{
    size_t n = 0;
    while (!q->request_bytes && n < size_bytes && bytes[n] && strchr(" \t\r\n\xff", bytes[n]))
        n++;
    return n;
}

// Takes one request, or what there is of it. Returns the bytes used.
static size_t parse(struct qmp *q, const uint8_t *bytes, size_t size_bytes)
{
    struct json_object *request = json_tokener_parse_ex(q->tokener, (const char *)bytes, size_bytes);
    enum json_tokener_error error = json_tokener_get_error(q->tokener);
    size_t used = json_tokener_get_parse_end(q->tokener);
    used = used ? used : 1;  // a byte that can't begin anything
    if (error == json_tokener_continue) {
        q->request_bytes += size_bytes;
        if (q->request_bytes > QMP_REQUEST_BYTES)
            broken(q, "the request is too long");
        return size_bytes;
    }
    if (error == json_tokener_success) {
        forget_request(q);
        serve(q, request);
    } else {
        broken(q, json_tokener_error_desc(error));
    }
    json_object_put(request);
    return used;
}

static void qmp_receive(void *opaque, const uint8_t *bytes, size_t size_bytes)
{
    struct qmp *q = opaque;
    size_t at = 0;
    while (at < size_bytes) {
        at += skip(q, bytes + at, size_bytes - at);
        at += skip_space(q, bytes + at, size_bytes - at);
        if (at < size_bytes && !q->skipping)
            at += parse(q, bytes + at, size_bytes - at);
    }
}

static size_t qmp_room(void *opaque)
{
    struct qmp *q = opaque;
    return chr_backlog_bytes(q->chr) < QMP_BACKLOG_BYTES ? 4096 : 0;
}

static void qmp_break(void *opaque)
{
    (void)opaque;
}

static void qmp_chr_event(void *opaque, enum chr_event event)
{
    struct qmp *q = opaque;
    bool was_open = q->open;
    q->open = event != CHR_CLOSED;
    if (!q->open) {
        forget_request(q);
        q->negotiated = q->skipping = false;
    } else if (!was_open) {
        greet(q);
    }
}

static const struct chr_front qmp_front = {qmp_room, qmp_receive, qmp_break};

int qmp_open(struct chr *chr, struct vm_control *vm, bool pretty, struct err *err)
{
    struct qmp *q = calloc(1, sizeof *q);
    struct json_tokener *tokener = json_tokener_new_ex(QMP_DEPTH);
    if (!q || !tokener) {
        free(q);
        return err_set(err, -ENOMEM, "no memory for a monitor");
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
    *q = (struct qmp){.chr = chr, .vm = vm, .tokener = tokener, .pretty = pretty, .next = sessions};
    sessions = q;
    chr->event = qmp_chr_event;
    chr->ops->attach(chr, &qmp_front, q);
    return 0;
}

void qmp_close_all(void)
{
    while (sessions) {
        struct qmp *q = sessions;
        sessions = q->next;
        json_tokener_free(q->tokener);
        json_object_put(q->id);
        free(q);
    }
}

static struct json_object *timestamp(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct json_object *t = json_object_new_object();
    json_object_object_add(t, "seconds", json_object_new_int64(now.tv_sec));
    json_object_object_add(t, "microseconds", json_object_new_int64(now.tv_nsec / 1000));
    return t;
}

void qmp_event(const char *name, struct json_object *data)
{
    for (struct qmp *q = sessions; q; q = q->next) {
        if (!q->negotiated)
            continue;
        struct json_object *message = json_object_new_object();
        json_object_object_add(message, "timestamp", timestamp());
        json_object_object_add(message, "event", json_object_new_string(name));
        if (data)
            json_object_object_add(message, "data", json_object_get(data));
        send_message(q, message);
    }
    json_object_put(data);
}

static void add_string(struct json_object *to, const char *key, const char *value)
{
    json_object_object_add(to, key, json_object_new_string(value ? value : ""));
}

static struct json_object *event_data(const struct vm_event *event)
{
    struct json_object *data = json_object_new_object();
    switch (event->kind) {
    case VM_EVENT_MIGRATION:
        add_string(data, "status", event->reason);
        break;
    case VM_EVENT_GUEST_PANICKED: case VM_EVENT_GUEST_CRASHLOADED:
        add_string(data, "action", event->action);
        break;
    case VM_EVENT_BLOCK_IO_ERROR:
        add_string(data, "device", event->device);
        json_object_object_add(data, "nospace", json_object_new_boolean(event->nospace));
        add_string(data, "reason", event->reason);
        add_string(data, "operation", event->operation);
        add_string(data, "action", event->action);
        break;
    default:
        json_object_object_add(data, "guest", json_object_new_boolean(event->guest));
        add_string(data, "reason", event->reason);
    }
    return data;
}

void qmp_vm_event(const struct vm_event *event)
{
    static const char *const names[] = {
        [VM_EVENT_STOP] = "STOP", [VM_EVENT_RESUME] = "RESUME", [VM_EVENT_RESET] = "RESET",
        [VM_EVENT_POWERDOWN] = "POWERDOWN", [VM_EVENT_SHUTDOWN] = "SHUTDOWN",
        [VM_EVENT_MIGRATION] = "MIGRATION", [VM_EVENT_GUEST_PANICKED] = "GUEST_PANICKED",
        [VM_EVENT_GUEST_CRASHLOADED] = "GUEST_CRASHLOADED", [VM_EVENT_BLOCK_IO_ERROR] = "BLOCK_IO_ERROR",
    };
    bool said = event->reason || event->action;
    qmp_event(names[event->kind], said ? event_data(event) : NULL);
}
