"""The FastAPI side: a route without a check, the same with the dependency that nginx replaces, and a check alone for
`auth_request`. All of it is `async`: a plain `def` would cost a thread's turn on top."""

import os
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

SECRET = os.environ["BENCH_SECRET"]
OPTIONS = {"require": ["exp", "uid"], "verify_aud": False}
bearer = HTTPBearer()


def unauthorized(detail: str) -> HTTPException:
    return HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})


def judge(user_id: str, token: str) -> None:
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], options=OPTIONS)
    except jwt.ExpiredSignatureError:
        raise unauthorized("Token expired") from None
    except jwt.InvalidTokenError:
        raise unauthorized("Invalid token") from None
    if claims["uid"] != user_id:
        raise HTTPException(403, "Forbidden")


async def only_the_owner(user_id: str, token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> None:
    judge(user_id, token.credentials)


async def file(user_id: str) -> dict:
    return {"user_id": user_id}


plain = FastAPI()
plain.get("/api/users/{user_id}/file")(file)

checked = FastAPI()
checked.get("/api/users/{user_id}/file", dependencies=[Depends(only_the_owner)])(file)

check = FastAPI()


@check.get("/check")
async def answer_nginx(x_user_id: Annotated[str, Header()], token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]):
    judge(x_user_id, token.credentials)
    return Response(status_code=204)
