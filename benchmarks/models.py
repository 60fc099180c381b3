"""The model that contestants answer with; apart from the jobs, as it needs pydantic."""

from pydantic import BaseModel

from benchmarks.jobs import DOCUMENT


class Pie(BaseModel):
    name: str
    price: float
    tags: list[str]
    stock: int


PIE = Pie.model_validate(DOCUMENT)
