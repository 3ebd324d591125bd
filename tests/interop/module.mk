# interop: real Go rafthttp members as peers.
