/*
 * words - texts for the error numbers of libraft that raft_strerror does not know in 0.15.
 */
#include "kv/words.h"

#include "adapters/libraft/raft_compat.h"

const char *kv_words_for(int status)
{
    switch (status) {
    case RAFT_NOTFOUND:
        return "not found";
    case RAFT_INVALID:
        return "invalid parameter";
    case RAFT_UNAUTHORIZED:
        return "permission denied";
    case RAFT_NOSPACE:
        return "no space left on the disk";
    case RAFT_TOOMANY:
        return "a limit of the system was met";
    default:
        return raft_strerror(status);
    }
}
