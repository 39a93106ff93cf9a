"""What happens to a frame: the CorridorKey network, keying maths and colour. Knows no sockets and no hosts."""

__version__ = "0.1.0"
