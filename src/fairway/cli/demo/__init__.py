"""`fairway demo`: the whole story on embedded defaults, told by real processes over real sockets."""
