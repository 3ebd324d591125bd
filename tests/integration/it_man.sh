#!/bin/sh
# The manual pages and the headers name the same things: prototypes, fields, constants, defaults; and ferry-bench.1 and
# ferry-kv.1 have the options, and the figures, that the programs have.  Their examples compile, and mandoc has nothing
# against them.
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

man=$srcdir/doc/man
pages=$(find "$man" -name '*.[0-9]' | sort)
headers=$(find "$srcdir/include/ferry" -name '*.h' | sort)
bench=$builddir/ferry-bench

# The page of a header: ferry.3 of ferry.h, ferry_NAME.3 of NAME.h.
page_of() # HEADER
{
    name=$(basename "$1" .h)
    [ "$name" = ferry ] || name=ferry_$name
    echo "$man/$name.3"
}

# only_in FIRST SECOND: the lines of a sorted file that are not in another one are what is seen.
only_in()
{
    comm -23 "$1" "$2" >"$work/seen"
}

same() # DESCRIPTION FIRST SECOND
{
    diff "$2" "$3" >"$work/seen" 2>&1
    result $? "$1"
}

# ---- What a header declares ------------------------------------------------------------------------------------------

# The header as the compiler sees it, on one line; what it includes is not in it.
expanded() # HEADER
{
    cc -E -I"$srcdir/include" "$1" | awk -v header="$1" '
        /^# [0-9]/ { inside = $3 == "\"" header "\""; next }
        inside' | tr '\n\t' '  '
}

# Blanks between words alone, so that a prototype is one text however it is laid out.
tight()
{
    sed 's/  */ /g; s/ \([^A-Za-z0-9_]\)/\1/g; s/\([^A-Za-z0-9_]\) /\1/g; s/^ //; s/ $//'
}

# RETURN-TYPE NAME(ARGUMENTS), one a line.
prototypes() # HEADER
{
    expanded "$1" | tr ';{' '\n\n' | sed -n 's/.*__attribute__((visibility("default")))//p; s/.*static inline//p' |
        tight | sort
}

functions() # HEADER
{
    prototypes "$1" | grep -o 'ferry_[a-z0-9_]*(' | tr -d '(' | sort
}

# STRUCT FIELD, one a line.
fields() # HEADER
{
    expanded "$1" | sed 's/struct ferry_[a-z_]* {/\n&/g' | grep '^struct ferry_[a-z_]* {' |
        sed 's/}.*//; s/^struct \([a-z_]*\) {/\1;/' | awk -F ';' '{
            for (i = 2; i <= NF; i++) {
                field = $i
                if (match(field, /\(\*[a-z0-9_]+\)/))
                    field = substr(field, RSTART + 2, RLENGTH - 3)
                gsub(/\[[^]]*\]/, "", field)
                sub(/ *$/, "", field)
                sub(/.*[ *]/, "", field)
                if (field != "")
                    print $1, field
            }
        }' | sort
}

# Enumerators, and macros but those that only make others.
constants() # HEADER
{
    {
        expanded "$1" | sed 's/enum [a-z_]* {/\n&/g' | sed -n 's/^enum [a-z_]* {\([^}]*\)}.*/\1/p'
        sed -n 's/^#define \(FERRY_[A-Z0-9_]*\).*/\1/p' "$1" | grep -vE '_(H|ENUM|API)$'
    } | grep -o 'FERRY_[A-Z0-9_]*' | sort -u
}

types() # HEADER
{
    expanded "$1" | grep -oE '(struct|enum) ferry_[a-z_]+ *(\{|;)|[a-z_]+_fn\(' | grep -o 'ferry_[a-z_]*' | sort -u
}

# ---- What a page says ------------------------------------------------------------------------------------------------

# The prototypes of the synopsis, in the same form.
page_prototypes() # PAGE
{
    awk '
        /^\.Sh / { inside = $2 == "SYNOPSIS" }
        !inside { next }
        /^\.Ft / { type = substr($0, 5) }
        /^\.Fo / { text = type " " substr($0, 5) "("; separator = "" }
        /^\.Fa / { argument = substr($0, 5); gsub(/"/, "", argument); text = text separator argument; separator = "," }
        /^\.Fc/ { print text ")" }' "$1" | tight | sort
}

# The words that a macro marks, wherever it stands in a line; parts that points join are words of their own.
marked() # MACRO PAGE...
{
    macro=$1
    shift
    awk -v macro="$macro" '
        /^\.Sh / { inside = $2 != "SYNOPSIS" }
        /^\./ && inside {
            sub(/^\./, "")
            marking = 0
            for (i = 1; i <= NF; i++) {
                if ($i ~ /^[A-Z][a-z]$/)
                    marking = $i == macro
                else if (marking && $i ~ /^[A-Za-z_]/)
                    print $i
            }
        }' "$@" | tr . '\n' | sort -u
}

# FIELD = VALUE, for each field of a configuration; those of a struct inside as OUTER.INNER.
page_defaults() # PAGE
{
    sed -n 's/^\.It Fa \([a-z0-9_.]*\) No = /\1 = /p' "$1"
}

# The example, as the reader sees it.
page_example() # PAGE
{
    awk '/^\.Sh / { inside = $2 == "EXAMPLES" } /^\.Bd/ && inside { code = 1; next } /^\.Ed/ { code = 0 } code' "$1" |
        sed 's/\\-/-/g; s/\\e/\\/g'
}

# A program that prints the defaults that are not those of the page.  VALUE is C, but for sizes and mdoc's macros.
defaults_program() # HEADER STRUCT INITIALIZER PAGE
{
    printf '#include <stdio.h>\n#include <string.h>\n#include "%s"\n' "ferry/$(basename "$1")"
    printf 'int main(void)\n{\n    const struct %s c = %s;\n    int wrong = 0;\n\n' "$2" "$3"
    page_defaults "$4" | sed 's/ Dv / /; s/ Qq \(.*\)/ "\1"/; s/ KiB$/ * (1ull << 10)/; s/ MiB$/ * (1ull << 20)/
        s/ GiB$/ * (1ull << 30)/' | while read -r field _ value; do
        case $value in
        \"*) is="c.$field && strcmp(c.$field, $value) == 0" ;;
        '{0}') is="memcmp(&c.$field, &(__typeof__(c.$field)){0}, sizeof(c.$field)) == 0" ;;
        *) is="c.$field == ($value)" ;;
        esac
        printf '    if (!(%s))\n        wrong = puts("%s is not what the page says");\n' "$is" "$field"
    done
    printf '    return wrong;\n}\n'
}

defaults_agree() # HEADER STRUCT INITIALIZER PAGE
{
    defaults_program "$@" >"$work/defaults.c"
    cc -std=gnu11 -Wall -Wno-address -I"$srcdir/include" "$work/defaults.c" -o "$work/defaults" && "$work/defaults"
}

example_compiles() # PAGE
{
    page_example "$1" >"$work/example.c"
    [ -s "$work/example.c" ] &&
        cc -std=c11 -Wall -Wextra -Werror -I"$srcdir/include" -fsyntax-only "$work/example.c"
}

# ---- Header by header ------------------------------------------------------------------------------------------------

for header in $headers; do
    page=$(page_of "$header")
    short=ferry/$(basename "$header")
    if [ ! -f "$page" ]; then
        echo "there is no $page" >"$work/seen"
        result 1 "$short has a page"
        continue
    fi
    name=$(basename "$page")

    prototypes "$header" >"$work/declared"
    page_prototypes "$page" >"$work/named"
    try "$short declares functions" grep -q ferry_ "$work/declared"
    same "the synopsis of $name has the prototypes of $short" "$work/declared" "$work/named"

    functions "$header" >"$work/declared"
    sed -n 's/^\.It Fn //p' "$page" | sort >"$work/named"
    same "$name describes each function of $short once" "$work/declared" "$work/named"

    fields "$header" >"$work/fields"
    cut -d ' ' -f 2 "$work/fields" | sort -u >"$work/declared"
    try "$short has structs with fields" grep -q . "$work/declared"
    marked Fa "$page" >"$work/named"
    only_in "$work/declared" "$work/named"
    nothing "$name names every field of $short"

    constants "$header" >"$work/declared"
    try "$short has constants" grep -q FERRY_ "$work/declared"
    marked Dv "$page" >"$work/named"
    only_in "$work/declared" "$work/named"
    nothing "$name names every constant of $short"

    types "$header" >"$work/declared"
    marked Vt "$page" | grep -o 'ferry_[a-z_]*' | sort -u >"$work/named"
    only_in "$work/declared" "$work/named"
    nothing "$name names every type of $short"

    try "the example of $name compiles" example_compiles "$page"

    # The struct whose defaults the page lists is the one that the header has an initializer for, if any.
    grep -q '^#define FERRY_[A-Z_]*_INIT' "$header" || continue
    config=$(sed -n 's/^#define \(FERRY_[A-Z_]*\)_INIT.*/\1/p' "$header" | tr '[:upper:]' '[:lower:]')
    sed -n "s/^$config //p" "$work/fields" >"$work/declared"
    page_defaults "$page" | sed 's/[ .].*//' | sort -u >"$work/named"
    same "$name lists each field of $config with its default" "$work/declared" "$work/named"
    try "the defaults of $name are those of $short" defaults_agree "$header" "$config" \
        "$(echo "$config" | tr '[:lower:]' '[:upper:]')_INIT" "$page"
done

# ---- All pages -------------------------------------------------------------------------------------------------------

for header in $headers; do
    fields "$header" | cut -d ' ' -f 2
    prototypes "$header" | grep -oE '[a-z0-9_]+[,)]' | tr -d ',)'
done | sort -u >"$work/known"
# shellcheck disable=SC2086  # words
marked Fa $pages >"$work/named"
only_in "$work/named" "$work/known"
nothing "every field and argument that a page names exists"

{
    for header in $headers; do
        functions "$header"
        types "$header"
        constants "$header"
    done
    for page in $pages; do
        basename "$page" | sed 's/\.[0-9]$//'
    done
    sed -n 's/^\.Dt \([^ ]*\) .*/\1/p' "$man"/*
} | sort -u >"$work/known"
# shellcheck disable=SC2086  # words
grep -ohE '(ferry|FERRY)_[A-Za-z0-9_]+' $pages | sort -u >"$work/named"
only_in "$work/named" "$work/known"
nothing "every function, type and constant that a page names exists"

if command -v mandoc >/dev/null; then
    for page in $pages; do
        try "mandoc accepts $(basename "$page")" mandoc -T lint -W warning "$page"
    done
else
    skip "mandoc accepts the pages" "there is no mandoc"
fi

# ---- ferry-bench -----------------------------------------------------------------------------------------------------

if [ -x "$bench" ]; then
    page=$man/ferry-bench.1
    "$bench" --help >"$work/help"
    sed -n 's/^  --\([a-z-]*\).*/\1/p' "$work/help" | sort >"$work/declared"
    try "ferry-bench has options" grep -qx json "$work/declared"
    sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p' "$page" | sort >"$work/named"
    same "ferry-bench.1 describes the options of ferry-bench" "$work/declared" "$work/named"
    awk '/^\.Sh / { inside = $2 == "SYNOPSIS" } inside' "$page" | grep -oE '(Fl|\|) -[a-z-]+' | sed 's/.* -//' | sort \
        >"$work/named"
    same "and its synopsis has them" "$work/declared" "$work/named"

    awk '/^Modes/ { inside = 1; next } /^$/ { inside = 0 } inside { print $1 }' "$work/help" | sort >"$work/declared"
    try "ferry-bench has modes" grep -qx pingpong "$work/declared"
    sed -n 's/^\.It Cm //p' "$page" | sort >"$work/named"
    same "ferry-bench.1 describes its modes" "$work/declared" "$work/named"

    timeout 60 "$bench" --messages 100 --json | grep -o '"[a-z0-9_]*":' | tr -d '":' | sort >"$work/declared"
    try "ferry-bench prints figures" grep -qx msgs_per_s "$work/declared"
    sed -n 's/^\.It Li //p' "$page" | sort >"$work/named"
    same "ferry-bench.1 describes its figures" "$work/declared" "$work/named"
else
    skip "ferry-bench.1 describes the options of ferry-bench" "the tools are not built"
fi

# ---- ferry-kv --------------------------------------------------------------------------------------------------------

if [ -x "$builddir/ferry-kv" ]; then
    page=$man/ferry-kv.1
    "$builddir/ferry-kv" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' | sort >"$work/declared"
    try "ferry-kv has options" grep -qx data-dir "$work/declared"
    sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p' "$page" | sort >"$work/named"
    same "ferry-kv.1 describes the options of ferry-kv" "$work/declared" "$work/named"
    awk '/^\.Sh / { inside = $2 == "SYNOPSIS" } inside' "$page" | grep -oE '(Fl|\|) -[a-z-]+' | sed 's/.* -//' | sort \
        >"$work/named"
    same "and its synopsis has them, too" "$work/declared" "$work/named"
else
    skip "ferry-kv.1 describes the options of ferry-kv" "there is no ferry-kv in this build"
fi
finish
