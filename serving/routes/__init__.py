"""All endpoints: HTTP in, HTTP out, nothing else."""

from fastapi import APIRouter

from serving.routes import about, customers, decisions, exports, health, segments, uplift

router = APIRouter()
for _part in (decisions, uplift, customers, about, segments, exports, health):
    router.include_router(_part.router)
