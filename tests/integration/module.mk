# integration: whole transports.
