"""The peer of `make bench NAME=serving`: the same Runtime behind plain FastAPI, for uvicorn to run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from features.settings import settings
from serving.runtime import Runtime


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.runtime = Runtime.open(settings())
    yield
    app.state.runtime.close()


app = FastAPI(lifespan=lifespan)


@app.post("/v1/machines/score")
async def score(request: Request) -> Response:
    answer = await request.app.state.runtime.score_posted(await request.body())
    return Response(answer, media_type="application/json")


@app.get("/readyz")
async def readyz() -> Response:
    return Response("\n")
