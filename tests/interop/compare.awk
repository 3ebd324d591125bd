# compare.awk ROWS RESULTS - the table of the comparison and, with -v svg=FILE, its plot.
#
# A figure is the median over the rounds.  A ratio is the median of the ratios of each round, so that what slows the
# whole machine in one round falls out of it.  A row whose runs are missing is left out.

function trim(text)
{
    gsub(/^ +| +$/, "", text)
    return text
}

function median(values, n,   i, k, v)
{
    for (i = 2; i <= n; i++) {
        v = values[i]
        for (k = i - 1; k >= 1 && values[k] > v; k--)
            values[k + 1] = values[k]
        values[k + 1] = v
    }
    return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
}

# The median of a figure of a run; sets found.
function figure(run, key,   r, n, values)
{
    n = 0
    for (r = 1; r <= n_rounds; r++)
        if ((run, r, key) in figures)
            values[++n] = figures[run, r, key]
    found = n > 0
    return found ? median(values, n) : 0
}

function ratio(run, by, key,   r, n, values)
{
    n = 0
    for (r = 1; r <= n_rounds; r++)
        if ((run, r, key) in figures && (by, r, key) in figures && figures[by, r, key] > 0)
            values[++n] = figures[run, r, key] / figures[by, r, key]
    found = n > 0
    return found ? median(values, n) : 0
}

function meets(value, target)
{
    return substr(target, 1, 1) == ">" ? value >= substr(target, 2) + 0 : value <= substr(target, 2) + 0
}

FILENAME == ARGV[1] {
    if ($0 !~ /^#/ && NF > 0) {
        split($0, field, "|")
        n_rows++
        title[n_rows] = trim(field[1])
        key[n_rows] = trim(field[2])
        run[n_rows] = trim(field[3])
        by[n_rows] = trim(field[4])
        target[n_rows] = trim(field[5])
    }
    next
}

{
    name = $0
    sub(/.*"run": "/, "", name)
    sub(/".*/, "", name)
    round = $0
    sub(/.*"round": /, "", round)
    round += 0
    n_rounds = round > n_rounds ? round : n_rounds
    rest = $0
    sub(/.*"result": *\{/, "", rest)
    n = split(rest, pairs, ",")
    for (i = 1; i <= n; i++) {
        split(pairs[i], pair, ":")
        gsub(/[" {}]/, "", pair[1])
        gsub(/[ }]/, "", pair[2])
        if (pair[2] ~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/)
            figures[name, round, pair[1]] = pair[2] + 0
    }
}

END {
    printf "| %-44s | %12s | %12s | %6s | %7s | %-5s |\n", "work", "Ferry", "beside it", "ratio", "target", ""
    print "|----------------------------------------------|--------------|--------------|--------|---------|-------|"
    for (i = 1; i <= n_rows; i++) {
        ours = figure(run[i], key[i])
        if (!found)
            continue
        if (by[i] == "-") {
            value = ours
            theirs_text = ratio_text = "-"
        } else {
            theirs = figure(by[i], key[i])
            if (!found)
                continue
            value = ratio(run[i], by[i], key[i])
            if (!found)
                continue
            theirs_text = sprintf("%.1f", theirs)
            ratio_text = sprintf("%.2f", value)
        }
        verdict = target[i] == "" ? "" : meets(value, target[i]) ? "met" : "short"
        printf "| %-44s | %12.1f | %12s | %6s | %7s | %-5s |\n", title[i], ours, theirs_text, ratio_text, target[i], verdict
        if (by[i] ~ /^go\// && target[i] != "" && value > 0) {
            n_bars++
            bar_title[n_bars] = title[i]
            bar_value[n_bars] = value
            bar_target[n_bars] = substr(target[i], 2) + 0
            bar_met[n_bars] = verdict == "met"
        }
    }
    if (svg != "")
        draw()
}

# Bars on a logarithmic axis from 1/32 to 32, so that twice as good and half as good are equally long.
function x_of(value,   x)
{
    x = 360 + 340 * (log(value) / log(32) + 1) / 2
    return x < 360 ? 360 : x > 700 ? 700 : x
}

function draw(   i, y, height, tick)
{
    height = 60 + 18 * n_bars
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\" font-family=\"sans-serif\" " \
        "font-size=\"11\">\n<rect width=\"760\" height=\"%d\" fill=\"white\"/>\n", height, height > svg
    print "<text x=\"10\" y=\"16\" font-size=\"13\">Ferry by Go rafthttp: medians of ratios; the tick is the target</text>" > svg
    for (tick = 1 / 32; tick <= 32; tick *= 4) {
        printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"30\" y2=\"%d\" stroke=\"%s\"/>\n", x_of(tick), x_of(tick), height - 20, \
            "#ddd" > svg
        printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x_of(tick), height - 6, \
            tick < 1 ? "1/" 1 / tick : tick > svg
    }
    printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"30\" y2=\"%d\" stroke=\"#555\"/>\n", x_of(1), x_of(1), height - 20 > svg
    for (i = 1; i <= n_bars; i++) {
        y = 34 + 18 * (i - 1)
        printf "<text x=\"350\" y=\"%d\" text-anchor=\"end\">%s</text>\n", y + 10, bar_title[i] > svg
        from = x_of(1) < x_of(bar_value[i]) ? x_of(1) : x_of(bar_value[i])
        to = x_of(1) < x_of(bar_value[i]) ? x_of(bar_value[i]) : x_of(1)
        printf "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"12\" fill=\"%s\"/>\n", from, y, to - from + 0.5, \
            bar_met[i] ? "#3a7d44" : "#c77d2e" > svg
        printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"black\" stroke-width=\"2\"/>\n", \
            x_of(bar_target[i]), x_of(bar_target[i]), y - 1, y + 13 > svg
        printf "<text x=\"710\" y=\"%d\">%.2f</text>\n", y + 10, bar_value[i] > svg
    }
    print "</svg>" > svg
    close(svg)
}
