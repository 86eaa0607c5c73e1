// SPDX-License-Identifier: GPL-2.0-or-later
//
// Messages in the user's language, by gettext. Only `konuk` and the daemons call i18n_init; a program
// under a QEMU name doesn't, and so says everything untranslated, as others parse it.
//
// Catalogues are looked for relative to the executable: ../share/locale where it is installed, ../po
// in the build tree.
//
// Threads: i18n_init before any other thread is started; the rest from any.
#pragma once

#include <libintl.h>
#include <stdbool.h>

#define _(text) gettext(text)
#define N_(text) text  // marked for translators, and translated where it is used

// Takes the language from the environment, as setlocale(3) does, and also where the system has no
// such locale: a small system has only C.UTF-8, and its users read Turkish all the same.
void i18n_init(const char *domain);
// The language of the messages: "tr", or "en" where there is no catalogue for what was asked for.
const char *i18n_language(void);
// What the environment asks for: "tr_TR.UTF-8"; "C" for nothing.
const char *i18n_wanted(void);
bool i18n_has_locale(void);  // the system knows what was asked for
