# growth.awk RESULTS - what grows with the number of followers, and memory over time; -v memory=FILE, -v svg=DIRECTORY.

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

function value_of(line, key)
{
    if (!match(line, "\"" key "\": *[0-9.]+"))
        return ""
    line = substr(line, RSTART, RLENGTH)
    sub(/.*: */, "", line)
    return line + 0
}

{
    name = $0
    sub(/.*"run": "/, "", name)
    sub(/\/.*/, "", name)
    who = name == "go" ? "go" : "ferry"
    peers = value_of($0, "peers")
    count = ++n[who, peers]
    rate[who, peers, count] = value_of($0, "msgs_per_s")
    cpu[who, peers, count] = value_of($0, "cpu_ns_per_msg")
}

function median_of(table, who, peers,   i, values)
{
    for (i = 1; i <= n[who, peers]; i++)
        values[i] = table[who, peers, i]
    return median(values, n[who, peers])
}

# One line of a plot: points are xs[1..n], ys[1..n], already from 0 to 1.
function line(file, xs, ys, count, colour,   i, points)
{
    points = ""
    for (i = 1; i <= count; i++)
        points = points sprintf("%.1f,%.1f ", 70 + 560 * xs[i], 270 - 230 * ys[i])
    printf "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", points, colour > file
}

function begin_plot(file, title, most, unit)
{
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"680\" height=\"310\" font-family=\"sans-serif\" " \
        "font-size=\"11\">\n<rect width=\"680\" height=\"310\" fill=\"white\"/>" > file
    printf "<text x=\"10\" y=\"18\" font-size=\"13\">%s</text>\n", title > file
    print "<line x1=\"70\" x2=\"630\" y1=\"270\" y2=\"270\" stroke=\"#555\"/>" > file
    print "<line x1=\"70\" x2=\"70\" y1=\"40\" y2=\"270\" stroke=\"#555\"/>" > file
    printf "<text x=\"65\" y=\"44\" text-anchor=\"end\">%.0f %s</text>\n", most, unit > file
    print "<text x=\"65\" y=\"274\" text-anchor=\"end\">0</text>" > file
}

function end_plot(file)
{
    print "</svg>" > file
    close(file)
}

function plot_peers(file, table, title, unit,   p, most, i, k, xs, ys, v)
{
    for (k = 1; k <= 2; k++)
        for (i = 1; i <= 4; i++)
            if ((v = median_of(table, whos[k], counts[i])) > most)
                most = v
    begin_plot(file, title, most, unit)
    for (k = 1; k <= 2; k++) {
        for (i = 1; i <= 4; i++) {
            xs[i] = log(counts[i]) / log(500)
            ys[i] = median_of(table, whos[k], counts[i]) / most
        }
        line(file, xs, ys, 4, colours[k])
        printf "<text x=\"%d\" y=\"34\" fill=\"%s\">%s</text>\n", 480 + 70 * k, colours[k], whos[k] > file
    }
    for (i = 1; i <= 4; i++)
        printf "<text x=\"%.1f\" y=\"288\" text-anchor=\"middle\">%d</text>\n", 70 + 560 * log(counts[i]) / log(500), \
            counts[i] > file
    print "<text x=\"350\" y=\"304\" text-anchor=\"middle\">followers</text>" > file
    end_plot(file)
}

function plot_memory(file,   text, at, xs, ys, kb, count, most, i)
{
    while ((getline text < memory) > 0) {
        split(text, at, " ")
        if (at[2] + 0 > 0) {
            kb[++count] = at[2]
            most = at[2] > most ? at[2] + 0 : most
        }
    }
    if (count < 2)
        return
    for (i = 1; i <= count; i++) {
        xs[i] = (i - 1) / (count - 1)
        ys[i] = kb[i] / most
    }
    begin_plot(file, "Resident memory of both members under load, 1 KiB entries", most, "KiB")
    line(file, xs, ys, count, colours[1])
    printf "<text x=\"630\" y=\"288\" text-anchor=\"end\">%d s</text>\n", count > file
    end_plot(file)
    printf "\nmemory under load: %d KiB after the first second, %d at the end, %d at most, %d s\n", kb[1], kb[count], most, count
}

END {
    split("1 10 100 500", counts, " ")
    split("ferry go", whos, " ")
    split("#3a7d44 #3367a8", colours, " ")
    print "| followers | Ferry messages/s | Go messages/s | Ferry CPU ns/message | Go CPU ns/message |"
    print "|-----------|------------------|---------------|----------------------|-------------------|"
    for (i = 1; i <= 4; i++)
        printf "| %9d | %16.0f | %13.0f | %20.0f | %17.0f |\n", counts[i], median_of(rate, "ferry", counts[i]), \
            median_of(rate, "go", counts[i]), median_of(cpu, "ferry", counts[i]), median_of(cpu, "go", counts[i])
    plot_peers(svg "/growth-rate.svg", rate, "Messages per second by followers, 64 B entries", "/s")
    plot_peers(svg "/growth-cpu.svg", cpu, "Processor time per message by followers, 64 B entries", "ns")
    plot_memory(svg "/growth-memory.svg")
}
