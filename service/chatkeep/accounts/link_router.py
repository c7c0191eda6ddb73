"""`/api/v1/auth/link`: setting a password by a link that an administrator made."""

from fastapi import APIRouter, Request

from chatkeep.accounts.dependencies import AccountsDep, ClientDep, SessionDigest, VisitorAudit, send_session
from chatkeep.accounts.password_links import ENDED, read_link, use_link
from chatkeep.accounts.schemas import LinkSecret, PasswordLink, UseLink, User
from chatkeep.http.bodies import MAX_ANONYMOUS_BYTES, JsonRoute, takes_body_of
from chatkeep.http.problems import BODY_ERRORS, error_responses

router = APIRouter(prefix="/api/v1/auth", tags=["Accounts"], route_class=JsonRoute)

TOO_MANY_TRIES = (429, "Too many tries. Wait 15 minutes and try again.")
LINK_ENDED = (409, ENDED)


@router.post("/link", responses=error_responses(*BODY_ERRORS, link_ended=LINK_ENDED, too_many_attempts=TOO_MANY_TRIES))
@takes_body_of(MAX_ANONYMOUS_BYTES)
async def read_password_link(body: LinkSecret, accounts: AccountsDep, client: ClientDep) -> PasswordLink:
    """Return the user whose password a link sets. It goes on working."""
    return PasswordLink.model_validate(await read_link(accounts, body.token, client))


@router.post(
    "/link/password",
    responses=error_responses(
        *BODY_ERRORS,
        weak_password=(422, "That password is among the first that anyone would try. Choose a longer one."),
        link_ended=LINK_ENDED,
        too_many_attempts=TOO_MANY_TRIES,
    ),
)
@takes_body_of(MAX_ANONYMOUS_BYTES)
async def set_password_by_link(
    body: UseLink,
    request: Request,
    accounts: AccountsDep,
    audit: VisitorAudit,
    client: ClientDep,
    digest: SessionDigest,
) -> User:
    """Set the password, and sign in. The link has ended; so has every session and token of the account."""
    opened = await use_link(accounts, audit, body.token, body.password, client, replaces=digest)
    send_session(request, accounts, opened)
    return User.model_validate(opened.user)
