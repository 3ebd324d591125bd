#!/bin/sh
# No cycles between the source files of a folder, and no use of a higher folder by a lower one.
#
# it_architecture.sh reads the includes.  This test reads the object files: file A uses file B when A refers to a symbol
# that B defines.  A function that A passes to a lower file as a callback is used by A alone, so callbacks make no cycle.
# Only symbols between files count, so optimization, inlining and sanitizers do not change the result.
#
# Run it alone:  make -C build all && make -C build check TESTS=tests/integration/it_layers.sh
. "${FERRY_SRCDIR:-.}/tests/integration/tap.sh"

# The cycles that still exist: a folder, a colon, the files of one cycle.  Each has its reason in doc/architecture.md,
# section "Cycles between files".  A file that is in no cycle any longer has to be removed from its line.
cat >"$work/allowed" <<'END'
END

# Lowest first.  A file uses its own folder and those before it.
order='base wire net net/tls net/http net/sim disk node member peer grid lock mailbox transport sim adapters/libraft tools kv demo'

# The references between the files of some folders, a line each: FOLDER FILE FOLDER FILE SYMBOL, the user first.
# The input is a line for each symbol: FOLDER FILE SYMBOL TYPE, as nm -P has them.
references()
{
    awk '
        $4 == "U" || $4 == "w" || $4 == "v" { users[++n] = $1 " " $2; symbols[n] = $3; folders[n] = $1; next }
        { any[$3] = $1 " " $2; near[$1, $3] = $1 " " $2 }
        END {
            for (i = 1; i <= n; i++) {
                symbol = symbols[i]
                if ((folders[i], symbol) in near)
                    print users[i], near[folders[i], symbol], symbol
                else if (symbol in any)
                    print users[i], any[symbol], symbol
            }
        }' | sort -u
}

# Reads references, prints the cycles of each folder, a line each: FOLDER: FILE...
cycles()
{
    awk '
        $1 == $3 && $2 != $4 { reach[$1, $2, $4] = 1; files[$1, $2]; files[$3, $4]; folders[$1] = 1 }
        function cycles_of(folder,    n, name, i, j, k, key, part, line, seen) {
            for (key in files) {
                split(key, part, SUBSEP)
                if (part[1] == folder)
                    name[++n] = part[2]
            }
            for (k = 1; k <= n; k++)
                for (i = 1; i <= n; i++)
                    if ((folder, name[i], name[k]) in reach)
                        for (j = 1; j <= n; j++)
                            if ((folder, name[k], name[j]) in reach)
                                reach[folder, name[i], name[j]] = 1
            for (i = 1; i <= n; i++) {
                if (i in seen || !((folder, name[i], name[i]) in reach))
                    continue
                line = folder ":"
                for (j = 1; j <= n; j++)
                    if ((folder, name[i], name[j]) in reach && (folder, name[j], name[i]) in reach) {
                        line = line " " name[j]
                        seen[j]
                    }
                print line
            }
        }
        END { for (folder in folders) cycles_of(folder) }'
}

# Reads cycles and compares them with the allowed ones in the first file; the references are in the second.
# A cycle is allowed when one line has all its files.  Otherwise its references from and to files that are not on the
# line are printed.  Files on a line that are in no cycle are printed too.
judge() # ALLOWED REFERENCES
{
    awk -v allowed="$1" -v refs="$2" '
        function fits(line, n, files,    word, k, i, on) {
            k = split(line, word, " ")
            if (word[1] != files[1])
                return 0
            for (i = 2; i <= k; i++)
                on[word[i]]
            for (i = 2; i <= n; i++)
                if (!(files[i] in on))
                    return 0
            return 1
        }
        BEGIN {
            while ((getline line < allowed) > 0)
                lines[++n_lines] = line
        }
        {
            n = split($0, files, " ")
            for (i = 2; i <= n; i++)
                in_cycle[files[1], files[i]]
            for (l = 1; l <= n_lines; l++)
                if (fits(lines[l], n, files))
                    next
            folder = files[1]
            sub(/:/, "", folder)
            split("", now)
            split("", old)
            for (i = 2; i <= n; i++)
                now[files[i]]
            for (l = 1; l <= n_lines; l++) {
                k = split(lines[l], word, " ")
                for (i = 2; word[1] == files[1] && i <= k; i++)
                    old[word[i]]
            }
            print "new cycle in src/" folder ": " substr($0, length(files[1]) + 2)
            while ((getline line < refs) > 0) {
                split(line, r, " ")
                if (r[1] == folder && r[3] == folder && r[2] != r[4] && r[2] in now && r[4] in now &&
                    !(r[2] in old && r[4] in old))
                    print "  " r[2] ".c uses " r[5] " of " r[4] ".c"
            }
            close(refs)
        }
        END {
            for (l = 1; l <= n_lines; l++) {
                k = split(lines[l], word, " ")
                for (i = 2; i <= k; i++)
                    if (!((word[1], word[i]) in in_cycle))
                        print "remove " word[i] " from the line " word[1] " of the list: it is in no cycle"
            }
        }'
}

# Reads references, prints those from a lower folder to a higher one.
upward()
{
    awk -v order="$order" '
        BEGIN {
            n = split(order, folders, " ")
            for (i = 1; i <= n; i++)
                rank[folders[i]] = i
        }
        !($1 in rank) || !($3 in rank) {
            print "src/" (($1 in rank) ? $3 : $1) " is missing in the order of folders"
            next
        }
        rank[$1] < rank[$3] { print "src/" $1 "/" $2 ".c uses " $5 " of src/" $3 "/" $4 ".c" }' | sort -u
}

# The global symbols of an object file, a line each: FOLDER FILE SYMBOL TYPE.  Without those of libc that
# src/tools/allocations.c replaces.
symbols_of() # OBJECT FOLDER FILE
{
    nm -g -P "$1" | awk -v where="$2 $3" '
        $1 !~ /^(malloc|calloc|realloc|free|posix_memalign|aligned_alloc)$/ && NF >= 2 { print where, $1, $2 }'
}

# The detection itself, on five files: a and b are a cycle, c registers a callback with a, d uses a, e uses d.
probe() # NAME CODE
{
    echo "$2" | cc -x c -c - -o "$work/$1.o" && symbols_of "$work/$1.o" net "$1" >>"$work/probe"
}
probe a 'void fb(void); void fa(void (*callback)(void)); void fa(void (*callback)(void)) { callback(); fb(); }'
probe b 'void fa(void (*callback)(void)); void fb(void); void fb(void) { fa(0); }'
probe c 'void fa(void (*callback)(void)); void fc(void); static void on_a(void) { } void fc(void) { fa(on_a); }'
probe d 'void fa(void (*callback)(void)); void fd(void); void fd(void) { fa(0); }'
probe e 'void fd(void); void fe(void); void fe(void) { fd(); }'
references <"$work/probe" >"$work/refs"
cycles <"$work/refs" >"$work/cycles"
judge /dev/null "$work/refs" <"$work/cycles" >"$work/seen"
grep -q '^new cycle in src/net: \(a b\|b a\)$' "$work/seen" && grep -q 'a\.c uses fb of b\.c' "$work/seen" &&
    [ "$(wc -l <"$work/seen")" -eq 3 ]
result $? "a cycle is found and its symbols are named"
echo 'net: a b d' >"$work/list"
judge "$work/list" "$work/refs" <"$work/cycles" >"$work/seen"
[ "$(cat "$work/seen")" = 'remove d from the line net: of the list: it is in no cycle' ]
result $? "a file on the list that is in no cycle is found"
sed 's/^net d /peer d /' "$work/probe" | references | upward >"$work/seen"
[ "$(cat "$work/seen")" = 'src/net/e.c uses fd of src/peer/d.c' ]
result $? "a use of a higher folder is found"

# One object for each source file.  Left-over objects of sources that have moved are not looked at.
(cd "$builddir/src" && find . -name '*.o') | sort | while read -r object; do
    folder=$(dirname "${object#./}")
    folder=${folder%/.libs}
    file=${object##*-}
    file=${file%.o}
    [ -f "$srcdir/src/$folder/$file.c" ] && ! grep -qx "$folder/$file" "$work/done" 2>/dev/null || continue
    echo "$folder/$file" >>"$work/done"
    symbols_of "$builddir/src/$object" "$folder" "$file"
done >"$work/symbols"
references <"$work/symbols" >"$work/refs"

for pair in 'node node net net' 'peer peer member channel' 'net/http loop net timers'; do
    try "references are seen: $pair" grep -q "^$pair " "$work/refs"
done
upward <"$work/refs" >"$work/seen"
nothing "no file uses a higher folder"
cycles <"$work/refs" | judge "$work/allowed" "$work/refs" >"$work/seen"
nothing "no cycles between files but those on the list"
cut -d : -f 1 "$work/allowed" | while read -r folder; do
    sed -n '/^### Cycles between files/,/^##* [^C]/p' "$srcdir/doc/architecture.md" | grep -qF "\`$folder\`" || echo "$folder"
done >"$work/seen"
nothing "each cycle on the list has its reason in doc/architecture.md"
finish
