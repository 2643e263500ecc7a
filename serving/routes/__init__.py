"""All endpoints: HTTP in, HTTP out, nothing else."""

from fastapi import APIRouter

from serving.routes import decisions, health, segments

router = APIRouter()
for _part in (decisions, health, segments):
    router.include_router(_part.router)
