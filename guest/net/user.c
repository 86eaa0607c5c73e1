// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/net/user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "guest/net/packet.h"
#include "guest/net/user_internal.h"

static pthread_mutex_t inside = PTHREAD_MUTEX_INITIALIZER;

void user_enter(void)
{
    pthread_mutex_lock(&inside);
}

void user_leave(void)
{
    pthread_mutex_unlock(&inside);
}

static struct user *of_net(struct net *net)
{
    return (struct user *)net;  // its first member
}

// A guest's SYN asks for segments of its link's size, which is raised: what comes back larger will be cut.
static void raise_mss(struct user *u, uint8_t *bytes, const struct net_frame *frame,
                      const struct net_packet *p)
{
    uint8_t *mss = net_tcp_mss(bytes, p);
    uint32_t tcp_bytes = p->end - p->transport;
    if (!mss)
        return;
    uint64_t pseudo = net_pseudo_sum(bytes, p, tcp_bytes);
    if (!frame->checksum_needed && net_fold(net_sum(pseudo, bytes + p->transport, tcp_bytes)) != UINT16_MAX)
        return;  // libslirp drops it
    u->guest_mss[p->ipv6] = net_get16(mss);
    if (net_get16(mss) >= USER_RAISED_MSS)
        return;
    net_put16(mss, USER_RAISED_MSS);
    if (frame->checksum_needed)
        return;
    uint16_t sum = net_fold(pseudo);
    memcpy(bytes + p->transport + 16, &sum, sizeof sum);
    net_fill_checksum(bytes, p->end, p->transport, 16);
}

// A checksum of 0 says that there is none, and libslirp then looks for none; over IPv6 it must be there
// (RFC 768; RFC 8200, 8.1).
static void fill_checksum(uint8_t *bytes, const struct net_frame *frame, const struct net_packet *p)
{
    if (p->protocol == NET_PROTOCOL_UDP && !p->ipv6 && p->transport == frame->checksum_start)
        net_put16(bytes + p->transport + 6, 0);
    else
        net_fill_checksum(bytes, frame->size_bytes, frame->checksum_start, frame->checksum_offset);
}

// Each TCP connection and each UDP port of the guest is a socket of the host, and libslirp sets no
// limit. A guest that has too many gets no more; UDP sockets go when nothing has used them for minutes.
static bool opens_too_many(const struct user *u, const struct net_packet *p)
{
    if (u->sockets < u->sockets_max)
        return false;
    return p->protocol != NET_PROTOCOL_TCP || p->tcp_flags & NET_TCP_SYN;
}

static unsigned sockets_max(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur / 2 > USER_SOCKETS_MAX)
        return USER_SOCKETS_MAX;
    return files.rlim_cur / 2;
}

static void input(struct user *u, uint32_t size_bytes)
{
    user_enter();
    slirp_input(u->slirp, u->frame, size_bytes);
    user_leave();
    u->changed = true;
}

// Nothing is left to be done in a fragment (a checksum is over the whole).
static void input_fragment(struct user *u, const struct net_packet *fragment)
{
    struct net_packet p;
    uint32_t size_bytes = user_fragments_add(&u->fragments, u->frame, fragment, uv_hrtime());
    if (size_bytes && net_parse(u->frame, size_bytes, &p) && !opens_too_many(u, &p))
        input(u, size_bytes);
}

static void send_frame(struct net *net, const struct net_frame *frame)
{
    struct user *u = of_net(net);
    struct net_packet p;
    if (frame->size_bytes > sizeof u->frame)
        return;
    net_gather(frame, u->frame, frame->size_bytes);
    if (net_parse(u->frame, frame->size_bytes, &p)) {
        if (p.fragment) {
            input_fragment(u, &p);
            return;
        }
        if (opens_too_many(u, &p)) {
            log_guest("net", "%s: more than %u sockets", u->net.id, u->sockets_max);
            return;
        }
        raise_mss(u, u->frame, frame, &p);
        if (frame->checksum_needed)
            fill_checksum(u->frame, frame, &p);
    }
    input(u, frame->size_bytes);
}

static void describe(struct net *net, char *text, size_t room)
{
    struct user *u = of_net(net);
    char address[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &u->address.net, address, sizeof address);
    snprintf(text, room, "net=%s,restrict=%s", address, u->restricted ? "on" : "off");
}

struct closing {
    struct user *u;
    sem_t closed;
};

static void close_inside(void *opaque)
{
    struct closing *closing = opaque;
    struct user *u = closing->u;
    user_poll_finish(u, &closing->closed);
    user_enter();
    if (u->slirp)
        slirp_cleanup(u->slirp);
    user_leave();
}

static void close_net(struct net *net)
{
    struct closing closing = {.u = of_net(net)};
    sem_init(&closing.closed, 0, 0);
    io_thread_call(net->thread, close_inside, &closing);
    while (sem_wait(&closing.closed) && errno == EINTR)
        continue;
    sem_destroy(&closing.closed);
    user_forget_waiting(closing.u);
    user_fragments_finish(&closing.u->fragments);
    free(closing.u->socket);
    free(net->id);
    free(closing.u);
}

static const struct net_ops ops = {
    .name = "user",
    .takes = NET_TAKES_CHECKSUM | NET_TAKES_TCP4 | NET_TAKES_TCP6 | NET_TAKES_ECN,
    .send = send_frame,
    .room = user_room,
    .describe = describe,
    .close = close_net,
};

static int set_up(Slirp *slirp, const struct user_forward *f)
{
    user_enter();
    int rc = slirp_add_hostfwd(slirp, f->udp, f->host, f->host_port, f->guest, f->guest_port);
    user_leave();
    return rc;
}

static int add_hostfwd(struct user *u, const char *rule, struct err *err)
{
    struct user_forward f;
    int rc = user_parse_hostfwd(rule, &f, err);
    if (rc == 0 && set_up(u->slirp, &f) < 0)
        rc = err_set(err, -EADDRINUSE, "Could not set up host forwarding rule '%s'", rule);
    u->changed = true;
    return rc;
}

static int add_guestfwd(struct user *u, const char *rule, struct err *err)
{
    struct user_guestfwd g = {0};
    int rc = user_parse_guestfwd(rule, &g, err);
    if (rc == 0 && slirp_add_exec(u->slirp, g.command, &g.server, g.port) < 0)
        rc = err_set(err, -EINVAL, "Conflicting/invalid host:port in guest forwarding rule '%s'", rule);
    return rc;
}

static int add_rules(struct user *u, const struct net_user_config *config, struct err *err)
{
    int rc = 0;
    for (const char *const *rule = config->hostfwd; rc == 0 && rule && *rule; rule++)
        rc = add_hostfwd(u, *rule, err);
    for (const char *const *rule = config->guestfwd; rc == 0 && rule && *rule; rule++)
        rc = add_guestfwd(u, *rule, err);
    return rc;
}

static void set_addresses(SlirpConfig *to, const struct user_addresses *a)
{
    to->in_enabled = a->ipv4;
    to->vnetwork = a->net;
    to->vnetmask = a->mask;
    to->vhost = a->host;
    to->vdhcp_start = a->dhcp;
    to->vnameserver = a->dns;
    to->in6_enabled = a->ipv6;
    to->vprefix_addr6 = a->prefix6;
    to->vprefix_len = a->prefix6_length;
    to->vhost6 = a->host6;
    to->vnameserver6 = a->dns6;
}

static void set_config(SlirpConfig *to, const struct net_user_config *config)
{
    to->version = 4;
    to->restricted = config->restricted;
    to->vhostname = config->hostname;
    to->tftp_server_name = config->tftp_server_name;
    to->tftp_path = config->tftp;
    to->bootfile = config->bootfile;
    to->vdnssearch = (const char **)config->dnssearch;
    to->vdomainname = config->domainname;
    to->if_mtu = to->if_mru = USER_LINK_BYTES_MAX;
}

struct opening {
    struct user *u;
    const struct net_user_config *config;
    struct err *err;
    int rc;
};

static void open_inside(void *opaque)
{
    struct opening *o = opaque;
    SlirpConfig config = {0};
    set_config(&config, o->config);
    set_addresses(&config, &o->u->address);
    user_poll_start(o->u);
    user_enter();
    o->u->slirp = slirp_new(&config, &user_callbacks, o->u);
    user_leave();
    o->rc = o->u->slirp ? add_rules(o->u, o->config, o->err)
                        : err_set(o->err, -EINVAL, "libslirp refuses its configuration");
}

static void on_library_message(const char *domain, GLogLevelFlags level, const char *message, void *opaque)
{
    (void)domain, (void)level, (void)opaque;
    log_guest("net", "%s", message);
}

// Guests can make libslirp complain, without end.
static void take_messages(void)
{
    g_log_set_handler("Slirp", G_LOG_LEVEL_MASK, on_library_message, NULL);
}

struct net *net_user_open(const struct net_user_config *config, const char *id, struct io_thread *thread,
                          struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct user_addresses address;
    if (user_addresses(config, &address, err) < 0 || user_check_names(config, err) < 0)
        return NULL;
    struct user *u = calloc(1, sizeof *u);
    char *own_id = strdup(id);
    if (!u || !own_id) {
        free(u);
        free(own_id);
        err_set(err, -ENOMEM, "no memory for the user network");
        return NULL;
    }
    pthread_once(&once, take_messages);
    u->net = (struct net){.ops = &ops, .thread = thread, .id = own_id};
    u->address = address;
    u->restricted = config->restricted;
    u->waiting_end = &u->waiting;
    u->sockets_max = sockets_max();
    struct opening opening = {u, config, err, 0};
    io_thread_call(thread, open_inside, &opening);
    if (opening.rc == 0)
        return &u->net;
    close_net(&u->net);
    return NULL;
}

struct command {
    struct user *u;
    const char *rule;
    struct err *err;
    int rc;
    char *text;
};

static void add_inside(void *opaque)
{
    struct command *c = opaque;
    c->rc = add_hostfwd(c->u, c->rule, c->err);
}

int net_user_add_hostfwd(struct net *net, const char *rule, struct err *err)
{
    struct command c = {.u = of_net(net), .rule = rule, .err = err};
    io_thread_call(net->thread, add_inside, &c);
    return c.rc;
}

static void remove_inside(void *opaque)
{
    struct command *c = opaque;
    struct user_forward f;
    c->rc = user_parse_hostfwd_end(c->rule, &f, c->err);
    if (c->rc < 0)
        return;
    user_enter();
    bool found = slirp_remove_hostfwd(c->u->slirp, f.udp, f.host, f.host_port) == 0;
    user_leave();
    c->u->changed = true;
    if (!found)
        c->rc = err_set(c->err, -ENOENT, "host forwarding rule for %s not found", c->rule);
}

int net_user_remove_hostfwd(struct net *net, const char *rule, struct err *err)
{
    struct command c = {.u = of_net(net), .rule = rule, .err = err};
    io_thread_call(net->thread, remove_inside, &c);
    return c.rc;
}

static void list_inside(void *opaque)
{
    struct command *c = opaque;
    user_enter();
    c->text = slirp_connection_info(c->u->slirp);  // g_malloc's memory is malloc's
    user_leave();
}

char *net_user_connections(struct net *net)
{
    struct command c = {.u = of_net(net)};
    io_thread_call(net->thread, list_inside, &c);
    return c.text;
}
