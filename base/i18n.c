// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/i18n.h"

#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_locale = true;

const char *i18n_wanted(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return value;
    }
    return "C";
}

bool i18n_has_locale(void)
{
    return has_locale;
}

// Gettext translates nothing in the locale "C", but in "C.UTF-8" it does what LANGUAGE says.
static void do_without_locale(void)
{
    const char *language = getenv("LANGUAGE");
    has_locale = false;
    if (!setlocale(LC_ALL, "C.UTF-8"))
        return;
    if (!language || !*language)
        setenv("LANGUAGE", i18n_wanted(), 1);
}

static void find_catalogues(const char *domain)
{
    static const char *const places[] = {"../share/locale", "../po"};
    char path[PATH_MAX], test[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
    if (length <= 0)
        return;
    path[length] = 0;
    char *folder = strrchr(path, '/') + 1;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        strcpy(folder, places[i]);
        snprintf(test, sizeof test, "%s/tr/LC_MESSAGES/%s.mo", path, domain);
        if (access(test, R_OK) == 0) {
            bindtextdomain(domain, path);
            return;
        }
    }
}

void i18n_init(const char *domain)
{
    if (!setlocale(LC_ALL, ""))
        do_without_locale();
    find_catalogues(domain);
    textdomain(domain);
}

const char *i18n_language(void)
{
    // Translators: the code of the language that you translate to, as in "tr".
    return _("en");
}
