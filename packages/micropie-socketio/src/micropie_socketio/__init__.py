"""A Socket.IO server beside a MicroPie app, sharing its sessions."""
