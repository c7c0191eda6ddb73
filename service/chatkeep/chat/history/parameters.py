"""The parameters that most statements about conversations and turns take."""

from sqlalchemy import BigInteger, Uuid, bindparam

from chatkeep.database.tables import TIME

USER_ID = bindparam("user_id", type_=Uuid)
CONVERSATION_ID = bindparam("conversation_id", type_=Uuid)
TURN_ID = bindparam("turn_id", type_=Uuid)
REPLICA_ID = bindparam("replica_id", type_=Uuid)
NOW = bindparam("now", type_=TIME)
# Of the texts of a page.
MAX_BYTES = bindparam("max_bytes", type_=BigInteger)
