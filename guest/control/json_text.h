// SPDX-License-Identifier: GPL-2.0-or-later
//
// JSON as QEMU spaces it: {"return": {}, "id": 1}. Scripts that search a QMP log rely on it.
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

#include "guest/control/text.h"

// pretty: one member a line, indented by four.
void json_text(struct text *text, struct json_object *value, bool pretty);
