module ferry/interop/load

go 1.19
