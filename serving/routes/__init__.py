"""All endpoints: HTTP in, HTTP out, nothing else."""

from fastapi import APIRouter

from serving.routes import about, customers, decisions, health, segments, uplift

router = APIRouter()
for _part in (decisions, uplift, customers, about, segments, health):
    router.include_router(_part.router)
