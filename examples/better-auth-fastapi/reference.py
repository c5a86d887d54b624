"""What a FastAPI application does today, and what nginx does in its place: a dependency that checks the
Bearer token with PyJWT. Only the test runs it, in front of the same routes as the backend's.

PyJWT refuses every token with an `aud` unless told which one to expect, and Better Auth sets `aud` in each.
So whoever has made the two work together has told PyJWT either to expect it or not to look; `/api/users`
does the latter, which is what nginx does. Under `/unconfigured`, PyJWT is left as it comes.
"""

import os
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

import backend

SECRET = os.environ["BETTER_AUTH_SECRET"]
bearer = HTTPBearer()


def unauthorized(detail: str) -> HTTPException:
    return HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})


def only_the_owner(**checks: bool):
    """The dependency: a valid token, whose `uid` is the path's user."""
    options = {"require": ["exp", "uid"], **checks}

    def check(user_id: str, token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> None:
        try:
            claims = jwt.decode(token.credentials, SECRET, algorithms=["HS256"], options=options)
        except jwt.ExpiredSignatureError:
            raise unauthorized("Token expired") from None
        except jwt.InvalidTokenError:
            raise unauthorized("Invalid token") from None
        if claims["uid"] != user_id:
            raise HTTPException(403, "Forbidden")

    return Depends(check)


app = FastAPI()
app.include_router(backend.router, dependencies=[only_the_owner(verify_aud=False)])
app.include_router(backend.router, prefix="/unconfigured", dependencies=[only_the_owner()])
