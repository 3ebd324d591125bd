# peer: the protocol of one peer, on net.h alone.
