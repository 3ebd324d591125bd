/*
 * check_kv_data_dir - a member's directory: its owner, and that a power failure loses nothing.
 *
 * fsync and syncfs are replaced here by functions that record their calls.
 */
#include "config.h" /* syncfs */

#include "kv/data_dir.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/rig.h"

#define MAX_SYNCED 8

static struct kv_data_dir data_dir;
static char parent[RIG_DIR_SIZE], path[RIG_DIR_SIZE + 16], text[512];
static struct stat synced[MAX_SYNCED];
static size_t n_synced;
static unsigned n_synced_wholly; /* file systems */

int fsync(int fd)
{
    ck_assert_uint_lt(n_synced, MAX_SYNCED);
    ck_assert_int_eq(fstat(fd, &synced[n_synced++]), 0);
    return (int)syscall(SYS_fsync, fd);
}

int syncfs(int fd)
{
    n_synced_wholly++;
    return (int)syscall(SYS_syncfs, fd);
}

static bool was_synced(const char *name)
{
    struct stat st;

    ck_assert_int_eq(stat(name, &st), 0);
    for (size_t i = 0; i < n_synced; i++)
        if (synced[i].st_dev == st.st_dev && synced[i].st_ino == st.st_ino)
            return true;
    return false;
}

static int open_as(uint64_t id)
{
    return kv_data_dir_open(&data_dir, path, id, 0x1000, text, sizeof(text));
}

static void setup(void)
{
    rig_make_dir(parent);
    (void)snprintf(path, sizeof(path), "%s/data", parent);
    n_synced = 0;
    n_synced_wholly = 0;
}

START_TEST(all_that_the_first_start_makes_is_on_disk)
{
    char lock[RIG_DIR_SIZE + 32];

    ck_assert_msg(open_as(1) == 0, "%s", text);
    (void)snprintf(lock, sizeof(lock), "%s/lock", path);
    ck_assert(was_synced(lock));
    ck_assert(was_synced(path));   /* which has the lock and the log */
    ck_assert(was_synced(parent)); /* which has the directory */
    ck_assert_uint_eq(n_synced_wholly, 0);
    kv_data_dir_close(&data_dir);
}
END_TEST

START_TEST(a_parent_may_be_closed_to_readers)
{
    const uid_t nobody = 65534;
    bool is_root = geteuid() == 0; /* to whom nothing is closed */

    ck_assert(chmod(parent, 0311) == 0 && chdir(parent) == 0);
    (void)snprintf(path, sizeof(path), "data"); /* its parents may not be accessible for user nobody */
    if (is_root)
        ck_assert(chown(parent, nobody, (gid_t)-1) == 0 && seteuid(nobody) == 0);
    for (unsigned i = 1; i <= 2; i++) {
        ck_assert_msg(open_as(1) == 0, "%s", text);
        ck_assert_uint_eq(n_synced_wholly, i);
        kv_data_dir_close(&data_dir);
    }
    if (is_root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(parent, 0700), 0);
}
END_TEST

START_TEST(a_directory_belongs_to_one_member_and_one_process)
{
    struct kv_data_dir other;

    ck_assert_msg(open_as(1) == 0, "%s", text);
    ck_assert_int_ne(kv_data_dir_open(&other, path, 1, 0x1000, text, sizeof(text)), 0);
    ck_assert_ptr_nonnull(strstr(text, "in use"));
    kv_data_dir_close(&data_dir);
    ck_assert_int_ne(open_as(2), 0);
    ck_assert_ptr_nonnull(strstr(text, "is that of member 1"));
    ck_assert_msg(open_as(1) == 0, "%s", text);
    kv_data_dir_close(&data_dir);
}
END_TEST

int main(void)
{
    return rig_main("kv_data_dir", setup, NULL, all_that_the_first_start_makes_is_on_disk,
                    a_parent_may_be_closed_to_readers, a_directory_belongs_to_one_member_and_one_process, NULL);
}
