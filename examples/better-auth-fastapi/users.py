"""Signs users up with Better Auth, and gets their tokens from it, all through nginx."""

import secrets
from dataclasses import dataclass

from client import Server
from stack import Failure
from tokens import claims_of


@dataclass(frozen=True)
class User:
    id: str
    token: str
    cookie: str


def sign_up(server: Server, name: str) -> User:
    account = {"name": name, "email": f"{name}@example.com", "password": secrets.token_urlsafe(24)}
    answer = server.send("POST", "/api/auth/sign-up/email", [("Origin", server.url)], account)
    if answer.status != 200:
        raise Failure(f"sign-up was answered {answer.status}: {answer.body!r}")
    cookie = answer.header("Set-Cookie").split(";")[0]
    user = User(answer.json()["user"]["id"], token(server, cookie), cookie)
    if claims_of(user.token).get("uid") != user.id:
        raise Failure("the token's uid is not the user's id")
    return user


def token(server: Server, cookie: str) -> str:
    answer = server.send("GET", "/api/auth/token", [("Cookie", cookie)])
    if answer.status != 200:
        raise Failure(f"the token was answered {answer.status}: {answer.body!r}")
    return answer.json()["token"]
