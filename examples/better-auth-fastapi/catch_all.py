"""A backend that takes any path, and says whose it is: what FastAPI routes by, not what nginx compared."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/api/users/{user_id}/files/{path:path}")
def file(user_id: str, path: str) -> dict:
    return {"user_id": user_id}


@app.get("/{path:path}")
def anything(path: str) -> dict:
    """Another route could be under a user too: the third segment, as FastAPI would split it."""
    match path.split("/"):
        case ["api", "users", user_id, *_]:
            return {"user_id": user_id}
    return {"user_id": None}
