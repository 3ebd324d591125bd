/*
 * data_dir.h - a member's directory: one process's at a time, one member's for ever.
 */
#ifndef KV_DATA_DIR_H
#define KV_DATA_DIR_H

#include <stddef.h>
#include <stdint.h>

#define KV_MAX_PATH 4096

struct kv_data_dir {
    int lock_fd;
    char log_path[KV_MAX_PATH]; /* where the log goes */
};

/*
 * Make path if it is missing, lock it, and see that it is this member's.  0, or -1 with one line in text.
 * The lock goes with the process, however that ends.
 */
int kv_data_dir_open(struct kv_data_dir *dir, const char *path, uint64_t id, uint64_t cluster_id, char *text,
                     size_t size);
void kv_data_dir_close(struct kv_data_dir *dir);

#endif
