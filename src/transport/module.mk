# transport: the public face.
