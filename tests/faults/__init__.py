"""What happens to paid answers when the machine does its worst: kernels killed, disks full, homes closed."""
