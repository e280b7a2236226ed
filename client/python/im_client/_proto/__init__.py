"""The protocol, generated from proto/im.proto: do not edit, run `make proto`."""
