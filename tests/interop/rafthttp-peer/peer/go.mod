module ferry/interop/peer

go 1.19
