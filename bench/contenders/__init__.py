"""Those who keep the same conversations in PostgreSQL: the service, bare drivers, and other libraries."""
