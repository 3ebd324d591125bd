/*
 * corpus - a corpus as one text file: a line of hexadecimal digits for each input, sorted.
 *
 *   corpus unpack FILE DIR   make a file in DIR of each line
 *   corpus pack DIR FILE     and back
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LEN ((size_t)64 << 10)

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int unpack(const char *path, const char *dir)
{
    FILE *from = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;

    if (!from)
        return 1;
    for (unsigned n = 0; getline(&line, &room, from) > 0; n++) {
        char name[4096];
        unsigned byte;
        FILE *to;

        snprintf(name, sizeof(name), "%s/%06u", dir, n);
        to = fopen(name, "wb");
        if (!to)
            return 1;
        for (const char *at = line; sscanf(at, "%2x", &byte) == 1; at += 2)
            fputc((int)byte, to);
        if (fclose(to))
            return 1;
    }
    free(line);
    fclose(from);
    return 0;
}

static char *read_hex(const char *dir, const char *name)
{
    char path[4096], *hex = calloc(2 * MAX_LEN + 1, 1);
    size_t n = 0;
    FILE *from;
    int byte;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    from = fopen(path, "rb");
    if (!from || !hex)
        exit(1);
    for (; n < MAX_LEN && (byte = fgetc(from)) != EOF; n++)
        snprintf(hex + 2 * n, 3, "%02x", (unsigned)byte);
    fclose(from);
    return realloc(hex, 2 * n + 1);
}

static int pack(const char *dir, const char *path)
{
    DIR *from = opendir(dir);
    FILE *to = fopen(path, "w");
    const struct dirent *entry;
    char **lines = NULL;
    size_t n = 0;

    if (!from || !to)
        return 1;
    while ((entry = readdir(from)))
        if (entry->d_name[0] != '.') {
            lines = realloc(lines, (n + 1) * sizeof(*lines));
            lines[n++] = read_hex(dir, entry->d_name);
        }
    closedir(from);
    if (n > 0)
        qsort(lines, n, sizeof(*lines), compare);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "%s\n", lines[i]);
        free(lines[i]);
    }
    free(lines);
    return fclose(to) ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "unpack") == 0)
        return unpack(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "pack") == 0)
        return pack(argv[2], argv[3]);
    fprintf(stderr, "usage: corpus unpack FILE DIR | pack DIR FILE\n");
    return 2;
}
