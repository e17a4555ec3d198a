//! How do we reach PostgreSQL? Connections, the private cluster, quoting, the COPY codec.
