// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "guest/control/qmp.h"

qmp_command_fn qmp_query_block, qmp_query_blockstats, qmp_query_named_block_nodes, qmp_query_iothreads,
    qmp_query_pci;
