// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "guest/control/hmp.h"

void hmp_info_block(struct hmp *hmp, const char *arguments);
void hmp_info_blockstats(struct hmp *hmp, const char *arguments);
void hmp_info_iothreads(struct hmp *hmp, const char *arguments);
void hmp_info_network(struct hmp *hmp, const char *arguments);
void hmp_info_pci(struct hmp *hmp, const char *arguments);
void hmp_info_usernet(struct hmp *hmp, const char *arguments);
void hmp_hostfwd_add(struct hmp *hmp, const char *arguments);
void hmp_hostfwd_remove(struct hmp *hmp, const char *arguments);
