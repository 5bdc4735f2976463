"""The service's faces: a binary WebSocket for channels, REST for everyone."""
