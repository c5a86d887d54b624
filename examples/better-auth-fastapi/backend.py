"""The backend. It holds no authentication code: whoever arrives here, nginx has let in.

Each route echoes what it was given, so that a test can see what nginx sent.
"""

from typing import Annotated

from fastapi import APIRouter, Body, FastAPI, Request

router = APIRouter(prefix="/api/users/{user_id}")


def echo(request: Request, user_id: str, **more) -> dict:
    return {
        "user_id": user_id,
        "x_user_id": request.headers.getlist("x-user-id"),
        "authorization": "authorization" in request.headers,
        **more,
    }


@router.get("")
def user(request: Request, user_id: str) -> dict:
    return echo(request, user_id)


@router.get("/profile")
def profile(request: Request, user_id: str) -> dict:
    return echo(request, user_id)


@router.get("/files/{name:path}")
def file(request: Request, user_id: str, name: str) -> dict:
    return echo(request, user_id, name=name)


@router.post("/notes")
def add_note(request: Request, user_id: str, note: Annotated[dict, Body()]) -> dict:
    return echo(request, user_id, note=note)


class Counting:
    """Counts the requests that reach the application, other than for the count."""

    def __init__(self, app):
        self.app = app
        self.requests = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] != "/counters":
            self.requests += 1
        scope.setdefault("state", {})["requests"] = self.requests
        await self.app(scope, receive, send)


app = FastAPI()
app.include_router(router)
app.add_middleware(Counting)


# Not under /api/: nginx forwards nothing here, only the test and the demo ask, on the backend's own socket.
@app.get("/counters")
def counters(request: Request) -> dict:
    return {"requests": request.state.requests}
