"""Settings of the embedded server at every start, whatever its postgresql.conf says."""

from pathlib import Path

from chatkeep.database.postgres.data_folder import PORT

SETTINGS = {
    # No network: a client has to enter a folder that is closed to all but one user.
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    # Acknowledged data is kept.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # The log tells of the server and never of stored data. The text of an error can quote a message, its
    # detail a whole row, and the report of a crash the statement: so errors of statements go to the service
    # alone, which raises them, and the rest goes without detail.
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
}


def settings_for(socket_folder: Path) -> dict[str, str]:
    """Return the settings of a server that listens in that folder.

    The path is quoted because the setting is a list, which commas part.
    """
    return SETTINGS | {"unix_socket_directories": f'"{socket_folder}"'}
