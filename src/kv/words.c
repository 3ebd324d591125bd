/*
 * words - libraft 0.15 has numbers for what its disk backend finds, and no words for them.
 */
#include "kv/words.h"

#include <raft.h>

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
