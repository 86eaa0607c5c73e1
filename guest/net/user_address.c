// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/net/user_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { PREFIX_BITS_MIN = 4, PREFIX6_BITS = 64, PREFIX6_BITS_MAX = 126 };
enum { NAME_BYTES_MAX = 255, BOOTFILE_BYTES_MAX = 127 };  // BOOTP's file field (RFC 951) ends with a 0

// Which families: the one that is named alone is the only one.
static int choose_families(const struct net_user_config *c, struct user_addresses *a, struct err *err)
{
    a->ipv4 = c->ipv4 == NET_USER_ON || (c->ipv4 == NET_USER_AUTO && c->ipv6 != NET_USER_ON);
    a->ipv6 = c->ipv6 == NET_USER_ON || (c->ipv6 == NET_USER_AUTO && c->ipv4 != NET_USER_ON);
    if (!a->ipv4 && (c->net || c->host || c->dns))
        return err_set(err, -EINVAL, "IPv4 disabled but netmask/host/dns provided");
    if (!a->ipv6 && (c->ipv6_net || c->ipv6_prefix || c->ipv6_host || c->ipv6_dns))
        return err_set(err, -EINVAL, "IPv6 disabled but prefix/host6/dns6 provided");
    if (!a->ipv4 && !a->ipv6)
        return err_set(err, -EINVAL, "IPv4 and IPv6 disabled");
    return 0;
}

// A network without a mask has that of its class, or of its private range.
static uint32_t mask_of_class(uint32_t address)
{
    static const struct { uint32_t bits, value, mask; } classes[] = {
        {0x80000000, 0x00000000, 0xff000000}, {0xfff00000, 0xac100000, 0xfff00000},
        {0xc0000000, 0x80000000, 0xffff0000}, {0xffff0000, 0xc0a80000, 0xffff0000},
        {0xffff0000, 0xc6120000, 0xfffe0000}, {0xe0000000, 0xe0000000, 0xffffff00},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
        if ((address & classes[i].bits) == classes[i].value)
            return classes[i].mask;
    return 0xfffffff0;
}

static int parse_mask(const char *text, struct in_addr *mask, struct err *err)
{
    char *end;
    long bits = strtol(text, &end, 10);
    if (*end) {
        if (!inet_aton(text, mask))
            return err_set(err, -EINVAL, "Failed to parse netmask (trailing chars)");
        return 0;
    }
    if (bits < PREFIX_BITS_MIN || bits > 32)
        return err_set(err, -EINVAL, "Invalid netmask provided (must be in range 4-32)");
    mask->s_addr = htonl(UINT32_MAX << (32 - bits));
    return 0;
}

static int parse_net(const char *text, struct user_addresses *a, struct err *err)
{
    char address[64];
    const char *slash = strchr(text, '/');
    snprintf(address, sizeof address, "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
    if (!inet_aton(address, &a->net))
        return err_set(err, -EINVAL, "Failed to parse netmask");
    if (slash)
        return parse_mask(slash + 1, &a->mask, err);
    a->mask.s_addr = htonl(mask_of_class(ntohl(a->net.s_addr)));
    return 0;
}

static bool in_net(const struct user_addresses *a, struct in_addr address)
{
    return (address.s_addr & a->mask.s_addr) == a->net.s_addr;
}

static struct in_addr own(const struct user_addresses *a, uint32_t number)
{
    return (struct in_addr){a->net.s_addr | (htonl(number) & ~a->mask.s_addr)};
}

static int parse_hosts4(const struct net_user_config *c, struct user_addresses *a, struct err *err)
{
    if (c->host && !inet_aton(c->host, &a->host))
        return err_set(err, -EINVAL, "Failed to parse host");
    if (!in_net(a, a->host))
        return err_set(err, -EINVAL, "Host doesn't belong to network");
    if (c->dns && !inet_aton(c->dns, &a->dns))
        return err_set(err, -EINVAL, "Failed to parse DNS");
    if (c->restricted && !in_net(a, a->dns))
        return err_set(err, -EINVAL, "DNS doesn't belong to network");
    if (a->dns.s_addr == a->host.s_addr)
        return err_set(err, -EINVAL, "DNS must be different from host");
    if (c->dhcpstart && !inet_aton(c->dhcpstart, &a->dhcp))
        return err_set(err, -EINVAL, "Failed to parse DHCP start address");
    if (!in_net(a, a->dhcp))
        return err_set(err, -EINVAL, "DHCP doesn't belong to network");
    if (a->dhcp.s_addr == a->host.s_addr || a->dhcp.s_addr == a->dns.s_addr)
        return err_set(err, -EINVAL, "DHCP must be different from host and DNS");
    return 0;
}

static int choose_ipv4(const struct net_user_config *c, struct user_addresses *a, struct err *err)
{
    int rc = parse_net(c->net ? c->net : "10.0.2.0/24", a, err);
    if (rc < 0)
        return rc;
    a->net.s_addr &= a->mask.s_addr;
    a->host = own(a, 0x0202);
    a->dhcp = own(a, 0x020f);
    a->dns = own(a, 0x0203);
    return parse_hosts4(c, a, err);
}

static int parse_prefix6(const struct net_user_config *c, struct user_addresses *a, struct err *err)
{
    char address[64];
    const char *text = c->ipv6_net ? c->ipv6_net : c->ipv6_prefix ? c->ipv6_prefix : "fec0::";
    const char *slash = c->ipv6_net ? strchr(text, '/') : NULL;
    int64_t length = c->ipv6_prefix_length ? c->ipv6_prefix_length : PREFIX6_BITS;
    if (slash) {
        char *end;
        length = strtol(slash + 1, &end, 10);
        if (*end || end == slash + 1)
            return err_set(err, -EINVAL, "Parameter 'ipv6-prefixlen' expects a number");
    }
    snprintf(address, sizeof address, "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
    if (!inet_pton(AF_INET6, address, &a->prefix6))
        return err_set(err, -EINVAL, "Failed to parse IPv6 prefix");
    if (length < 0 || length > PREFIX6_BITS_MAX)
        return err_set(err, -EINVAL, "Invalid IPv6 prefix provided "
                       "(IPv6 prefix length must be between 0 and 126)");
    a->prefix6_length = length ? length : PREFIX6_BITS;
    return 0;
}

static bool in_net6(const struct user_addresses *a, const struct in6_addr *address)
{
    unsigned whole = a->prefix6_length / 8, rest = a->prefix6_length % 8;
    if (memcmp(address, &a->prefix6, whole))
        return false;
    uint8_t differ = address->s6_addr[whole] ^ a->prefix6.s6_addr[whole];
    return !(differ >> (8 - rest));
}

static int choose_ipv6(const struct net_user_config *c, struct user_addresses *a, struct err *err)
{
    int rc = parse_prefix6(c, a, err);
    if (rc < 0)
        return rc;
    a->host6 = a->dns6 = a->prefix6;
    a->host6.s6_addr[15] |= 2;
    a->dns6.s6_addr[15] |= 3;
    if (c->ipv6_host && !inet_pton(AF_INET6, c->ipv6_host, &a->host6))
        return err_set(err, -EINVAL, "Failed to parse IPv6 host");
    if (!in_net6(a, &a->host6))
        return err_set(err, -EINVAL, "IPv6 Host doesn't belong to network");
    if (c->ipv6_dns && !inet_pton(AF_INET6, c->ipv6_dns, &a->dns6))
        return err_set(err, -EINVAL, "Failed to parse IPv6 DNS");
    if (c->restricted && !in_net6(a, &a->dns6))
        return err_set(err, -EINVAL, "IPv6 DNS doesn't belong to network");
    return 0;
}

int user_addresses(const struct net_user_config *config, struct user_addresses *a, struct err *err)
{
    *a = (struct user_addresses){0};
    int rc = choose_families(config, a, err);
    if (rc == 0)
        rc = choose_ipv4(config, a, err);
    if (rc == 0)
        rc = choose_ipv6(config, a, err);
    return rc;
}

static int check_name(const char *name, const char *key, struct err *err)
{
    if (name && strlen(name) > NAME_BYTES_MAX)
        return err_set(err, -EINVAL, "'%s' parameter cannot exceed 255 bytes", key);
    return 0;
}

int user_check_names(const struct net_user_config *c, struct err *err)
{
    if (c->domainname && !*c->domainname)
        return err_set(err, -EINVAL, "'domainname' parameter cannot be empty");
    int rc = check_name(c->domainname, "domainname", err);
    if (rc == 0)
        rc = check_name(c->hostname, "vhostname", err);
    if (rc == 0)
        rc = check_name(c->tftp_server_name, "tftp-server-name", err);
    if (rc == 0 && c->bootfile && strlen(c->bootfile) > BOOTFILE_BYTES_MAX)
        return err_set(err, -EINVAL, "'bootfile' parameter cannot exceed 127 bytes");
    return rc;
}
