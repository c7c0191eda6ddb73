"""Which of ChatStream's endpoints an account may use, by its role: what ChatStream's `client_roles` decide."""

from chatkeep.accounts.identity import Identity
from chatkeep.chatstream_roles import ChatStreamApi
from chatkeep.config import Settings
from chatkeep.errors import Forbidden


class DeniedByRole(Forbidden):
    """The account's role does not allow this endpoint."""

    code = "denied_by_role"


def roles_with(settings: Settings, api: ChatStreamApi) -> set[str]:
    """Return the roles that allow the endpoint."""
    return {name for name, role in settings.chatstream_roles.items() if role.allows(api)}


def require_role(settings: Settings, identity: Identity, api: ChatStreamApi) -> None:
    """Refuse what the account's role does not allow.

    Raises:
        DeniedByRole: `CHATKEEP_CHATSTREAM_ROLES` does not list the endpoint for the role, or not the role.
    """
    role = settings.chatstream_roles.get(identity.role)
    if role is None or not role.allows(api):
        raise DeniedByRole("Denied on role layer.")
